/* An ordered search: on the first call the whole table is read and sorted by distance. */
#include "vectors.h"

#include <math.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct Hit
{
	float		distance;
	ItemPointerData tid;
} Hit;

typedef struct Search
{
	bool		started;
	int64		next;
	int64		count;
	int64		room;
	Hit		   *hits;
	ScanKey		order;
	MemoryContext memory;		/* the hits */
	MemoryContext scratch;		/* one distance's detoasted values */
} Search;

IndexScanDesc
vectors_beginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	Search	   *search = palloc0_object(Search);

	search->memory = AllocSetContextCreate(CurrentMemoryContext, "vectors search", ALLOCSET_DEFAULT_SIZES);
	search->scratch = AllocSetContextCreate(CurrentMemoryContext, "vectors distance", ALLOCSET_DEFAULT_SIZES);
	scan->opaque = search;
	return scan;
}

void
vectors_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	Search	   *search = scan->opaque;

	if (norderbys > 0)
		memmove(scan->orderByData, orderbys, norderbys * sizeof(ScanKeyData));
	MemoryContextReset(search->memory);
	search->hits = NULL;
	search->started = false;
	search->next = search->count = search->room = 0;
}

static void
remember(Search *search, ItemPointer tid, float distance)
{
	if (search->count == search->room)
	{
		Size		room = search->room == 0 ? 1024 : search->room * 2;

		search->hits = search->hits == NULL
			? MemoryContextAllocHuge(search->memory, room * sizeof(Hit))
			: repalloc_huge(search->hits, room * sizeof(Hit));
		search->room = room;
	}
	search->hits[search->count].distance = distance;
	search->hits[search->count].tid = *tid;
	search->count++;
}

static void
measure(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool alive, void *state)
{
	Search	   *search = state;
	ScanKey		order = search->order;
	MemoryContext before;
	float		distance;

	if (nulls[0])
		return;
	before = MemoryContextSwitchTo(search->scratch);
	distance = DatumGetFloat4(FunctionCall2Coll(&order->sk_func, order->sk_collation, values[0],
												order->sk_argument));
	MemoryContextSwitchTo(before);
	MemoryContextReset(search->scratch);
	remember(search, tid, distance);
}

/* NaN sorts last, as it does everywhere in PostgreSQL. */
static int
by_distance(const void *left, const void *right)
{
	Hit		   *a = (Hit *) left;
	Hit		   *b = (Hit *) right;

	if (isnan(a->distance) || isnan(b->distance))
		return isnan(a->distance) - isnan(b->distance);
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	return ItemPointerCompare(&a->tid, &b->tid);
}

/*
 * The reader of index builds is used for its treatment of HOT chains and of partial or expression indexes; marked
 * as concurrent it takes the snapshot of the scan that it is given, here the query's own.
 */
static void
start(IndexScanDesc scan, Search *search)
{
	IndexInfo  *info = BuildIndexInfo(scan->indexRelation);
	TableScanDesc heap;

	vectors_require_index(scan->indexRelation);
	search->order = &scan->orderByData[0];
	search->started = true;
	if (search->order->sk_flags & SK_ISNULL)
		return;
	vectors_require_fit(scan->indexRelation, search->order->sk_argument);
	info->ii_Concurrent = true;
	heap = table_beginscan_strat(scan->heapRelation, scan->xs_snapshot, 0, NULL, true, false);
	table_index_build_scan(scan->heapRelation, scan->indexRelation, info, false, false, measure, search, heap);
	qsort(search->hits, search->count, sizeof(Hit), by_distance);
}

bool
vectors_gettuple(IndexScanDesc scan, ScanDirection direction)
{
	Search	   *search = scan->opaque;

	if (scan->numberOfOrderBys != 1)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("pgvecto.rs: a vector index serves one ORDER BY operator")));
	if (!search->started)
		start(scan, search);
	if (search->next >= search->count)
		return false;
	scan->xs_heaptid = search->hits[search->next++].tid;
	scan->xs_recheck = false;
	scan->xs_recheckorderby = false;
	return true;
}

void
vectors_endscan(IndexScanDesc scan)
{
	Search	   *search = scan->opaque;

	MemoryContextDelete(search->memory);
	MemoryContextDelete(search->scratch);
	pfree(search);
	scan->opaque = NULL;
}
