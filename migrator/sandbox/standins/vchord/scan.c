/*
 * Stand-in for VectorChord: the search. It is exact: every indexed row that the snapshot sees is
 * fetched from the table, its distance is computed with the operator's own function, all are sorted.
 */
#include "vchord.h"

#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/float.h"
#include "utils/memutils.h"

typedef struct Candidate
{
	double		distance;
	ItemPointerData tid;
} Candidate;

typedef struct Search
{
	MemoryContext context;		/* lives as long as the result does */
	Candidate  *candidates;
	int64		count;
	int64		capacity;
	int64		next;
	bool		done;			/* have the candidates been collected? */
} Search;

/* What it takes to turn a TID into a distance. */
typedef struct Reader
{
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	IndexInfo  *info;
	EState	   *estate;
	ExprContext *context;
	ScanKey		order;
	Datum		query;
} Reader;

IndexScanDesc
begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	Search	   *search = palloc0(sizeof(Search));

	search->context = AllocSetContextCreate(CurrentMemoryContext, "vchord scan", ALLOCSET_DEFAULT_SIZES);
	scan->opaque = search;
	return scan;
}

void
restart_scan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	Search	   *search = scan->opaque;

	MemoryContextReset(search->context);
	search->candidates = NULL;
	search->count = search->capacity = search->next = 0;
	search->done = false;
	if (orderbys != NULL && scan->numberOfOrderBys > 0)
		memmove(scan->orderByData, orderbys, scan->numberOfOrderBys * sizeof(ScanKeyData));
}

static void
open_reader(Reader *reader, IndexScanDesc scan)
{
	reader->order = &scan->orderByData[0];
	reader->fetch = table_index_fetch_begin(scan->heapRelation);
	reader->slot = table_slot_create(scan->heapRelation, NULL);
	reader->info = BuildIndexInfo(scan->indexRelation);
	reader->estate = CreateExecutorState();
	reader->context = GetPerTupleExprContext(reader->estate);
	reader->context->ecxt_scantuple = reader->slot;
	reader->query = (Datum) 0;
	if (!(reader->order->sk_flags & SK_ISNULL))
		reader->query = PointerGetDatum(PG_DETOAST_DATUM(reader->order->sk_argument));
}

static void
close_reader(Reader *reader)
{
	table_index_fetch_end(reader->fetch);
	ExecDropSingleTupleTableSlot(reader->slot);
	FreeExecutorState(reader->estate);
}

/* False where the snapshot sees no such row. */
static bool
read_distance(Reader *reader, IndexScanDesc scan, ItemPointerData tid, double *distance)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	bool		call_again = false;
	bool		all_dead = false;
	MemoryContext before;

	/* Changes its argument to the row version that it found, hence the copy. */
	if (!table_index_fetch_tuple(reader->fetch, &tid, scan->xs_snapshot, reader->slot, &call_again, &all_dead))
		return false;
	before = MemoryContextSwitchTo(reader->context->ecxt_per_tuple_memory);
	FormIndexDatum(reader->info, reader->slot, reader->estate, values, isnull);
	if (reader->order->sk_flags & SK_ISNULL || isnull[0])
		*distance = 0;
	else
		*distance = DatumGetFloat8(FunctionCall2Coll(&reader->order->sk_func, reader->order->sk_collation,
													 values[0], reader->query));
	MemoryContextSwitchTo(before);
	ResetExprContext(reader->context);
	ExecClearTuple(reader->slot);
	return true;
}

static void
add_candidate(Search *search, ItemPointerData tid, double distance)
{
	if (search->count == search->capacity)
	{
		search->capacity = Max(1024, search->capacity * 2);
		if (search->candidates == NULL)
			search->candidates = MemoryContextAllocHuge(search->context, search->capacity * sizeof(Candidate));
		else
			search->candidates = repalloc_huge(search->candidates, search->capacity * sizeof(Candidate));
	}
	search->candidates[search->count++] = (Candidate) {.distance = distance, .tid = tid};
}

/* By distance, not-a-number last (cosine of a zero vector), then by place, so that ties are stable. */
static int
compare_candidates(const void *left, const void *right)
{
	const Candidate *a = left;
	const Candidate *b = right;
	int			order = float8_cmp_internal(a->distance, b->distance);

	return order != 0 ? order : ItemPointerCompare((ItemPointer) &a->tid, (ItemPointer) &b->tid);
}

static void
collect(IndexScanDesc scan, Search *search)
{
	Relation	index = scan->indexRelation;
	Meta		meta = read_meta(index);
	ItemPointerData tids[TIDS_PER_PAGE];
	Reader		reader;

	check_probes(index, &meta);
	open_reader(&reader, scan);
	for (BlockNumber block = FIRST_DATA_BLOCK; block < RelationGetNumberOfBlocks(index); block++)
	{
		int			count = read_tids(index, block, tids);

		for (int i = 0; i < count; i++)
		{
			double		distance;

			CHECK_FOR_INTERRUPTS();
			if (read_distance(&reader, scan, tids[i], &distance))
				add_candidate(search, tids[i], distance);
		}
	}
	close_reader(&reader);
	if (search->count > 1)
		qsort(search->candidates, search->count, sizeof(Candidate), compare_candidates);
}

bool
next_tuple(IndexScanDesc scan, ScanDirection direction)
{
	Search	   *search = scan->opaque;

	if (scan->numberOfOrderBys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the stand-in for VectorChord searches only in the order of a distance")));
	if (!search->done)
	{
		MemoryContext before = MemoryContextSwitchTo(search->context);

		collect(scan, search);
		MemoryContextSwitchTo(before);
		search->done = true;
	}
	if (search->next >= search->count)
		return false;
	scan->xs_heaptid = search->candidates[search->next++].tid;
	scan->xs_recheck = false;
	scan->xs_recheckorderby = false;
	return true;
}

void
end_scan(IndexScanDesc scan)
{
	Search	   *search = scan->opaque;

	MemoryContextDelete(search->context);
	pfree(search);
}
