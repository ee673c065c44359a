/* The statistics function behind vectors.pg_vector_index_stat, and the functions for administrators. */
#include "vectors.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000
#include "utils/relfilenumbermap.h"
#else /* the same under its older name */
#include "utils/relfilenodemap.h"
#define RelidByRelfilenumber RelidByRelfilenode
#endif
#include "utils/snapmgr.h"

/* 0.2.0 builds in the background: this long a new index is said to be still indexing. */
#define INDEXING_SECONDS 2

enum
{
	COLUMN_STATUS,
	COLUMN_INDEXING,
	COLUMN_TUPLES,
	COLUMN_SEALED,
	COLUMN_GROWING,
	COLUMN_WRITE,
	COLUMN_SIZE,
	COLUMN_OPTIONS,
	COLUMNS,
};

static void
count_tuple(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool alive, void *state)
{
	*(int64 *) state += !nulls[0];
}

static int64
count_tuples(Relation index)
{
	int64		count = 0;
	Relation	heap = table_open(index->rd_index->indrelid, AccessShareLock);
	IndexInfo  *info = BuildIndexInfo(index);

	info->ii_Concurrent = true;
	table_index_build_scan(heap, index, info, false, false, count_tuple, &count,
						   table_beginscan_strat(heap, GetActiveSnapshot(), 0, NULL, true, false));
	table_close(heap, AccessShareLock);
	return count;
}

static Datum
list_of(int64 count)
{
	Datum		elements[1] = {Int64GetDatum(count)};

	return PointerGetDatum(construct_array_builtin(elements, count > 0 ? 1 : 0, INT8OID));
}

/* Returns the oid of the index that the view asks about: 0.2 gives its relfilenode, 0.3 its oid. */
static Oid
asked_index(Oid given)
{
#if BEFORE_0_3
	return RelidByRelfilenumber(InvalidOid, given);
#else
	return given;
#endif
}

PG_FUNCTION_INFO_V1(_vectors_index_stat_wrapper);
Datum
_vectors_index_stat_wrapper(PG_FUNCTION_ARGS)
{
	Oid			asked = asked_index(PG_GETARG_OID(0));
	Relation	index;
	TupleDesc	descriptor;
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {false};
	int64		tuples;
	bool		indexing;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a row type is needed");
	if (!OidIsValid(asked))		/* a temporary index, for example: the worker does not know it */
		PGVECTORS_ERROR(TEXT_MISSING);
	index = relation_open(asked, AccessShareLock);
	vectors_require_index(index);
	tuples = count_tuples(index);
	indexing = BEFORE_0_3
		&& vectors_index_files_age_seconds(index->rd_locator.relNumber) < INDEXING_SECONDS;
	values[COLUMN_STATUS] = CStringGetTextDatum("NORMAL");
	values[COLUMN_INDEXING] = BoolGetDatum(indexing);
	values[COLUMN_TUPLES] = Int64GetDatum(tuples);
	values[COLUMN_SEALED] = list_of(indexing ? 0 : tuples);
	values[COLUMN_GROWING] = list_of(indexing ? tuples : 0);
	values[COLUMN_WRITE] = Int64GetDatum(0);
	values[COLUMN_SIZE] = Int64GetDatum(0);
	values[COLUMN_OPTIONS] = CStringGetTextDatum("{}");
	relation_close(index, AccessShareLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

/* Deletes the index files of another version; otherwise there is nothing to upgrade. */
PG_FUNCTION_INFO_V1(_vectors_pgvectors_upgrade_wrapper);
Datum
_vectors_pgvectors_upgrade_wrapper(PG_FUNCTION_ARGS)
{
	if (vectors_files_outdated())
		vectors_remove_all_files();
	PG_RETURN_VOID();
}
