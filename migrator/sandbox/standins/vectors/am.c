/*
 * The access method "vectors".
 *
 * The index stores nothing: a search reads the table (scan.c), which makes it exact and keeps it right under every
 * visibility rule.  What is imitated is all that can be seen from outside: an empty main fork, files beside the
 * heap, a worker that has to live, vectors that have to fit.
 */
#include "value.h"
#include "vectors.h"

#include "access/reloptions.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "nodes/pathnodes.h"
#include "utils/float.h"

typedef struct Options
{
	int32		vl_len_;
	int			text_offset;
} Options;

static relopt_kind options_kind = 0;

/* Raises what pgvecto.rs says when an index cannot be used. */
void
vectors_require_index(Relation index)
{
	if (vectors_files_outdated())
		PGVECTORS_ERROR(TEXT_OUTDATED);
	vectors_require_worker();
	if (!vectors_have_index_files(index->rd_locator.relNumber))
		PGVECTORS_ERROR(TEXT_MISSING);
}

static int32
dimension_of(Relation index)
{
	return TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;
}

/* Refuses a vector that does not fit; garbage in the kind field (pgvecto.rs <= 0.1.11) is a bug's panic. */
void
vectors_require_fit(Relation index, Datum value)
{
	Vector	   *head = (Vector *) PG_DETOAST_DATUM_SLICE(value, 0, HEADER_SIZE - VARHDRSZ);

	if (head->kind > KIND_VECF16)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
						errmsg_internal("internal error: entered unreachable code")));
	if (head->dimensions != dimension_of(index))
		PGVECTORS_ERROR(TEXT_UNFIT);
	if ((Pointer) head != DatumGetPointer(value))
		pfree(head);
}

static void
count_tuple(Relation index, ItemPointer tid, Datum *values, bool *nulls, bool alive, void *state)
{
	if (nulls[0])
		return;
	vectors_require_fit(index, values[0]);
	++*(double *) state;
}

static IndexBuildResult *
build(Relation heap, Relation index, IndexInfo *info)
{
	IndexBuildResult *result = palloc0_object(IndexBuildResult);

	if (dimension_of(index) < 1)
		PGVECTORS_ERROR(TEXT_NO_DIMENSION);
	if (vectors_files_outdated())
		PGVECTORS_ERROR(TEXT_OUTDATED);
	vectors_require_worker();
	vectors_create_index_files(index->rd_locator.relNumber);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true, count_tuple,
												 &result->index_tuples, NULL);
	return result;
}

static void
build_empty(Relation index)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("pgvecto.rs: unlogged vector indexes are not imitated")));
}

static bool
insert(Relation index, Datum *values, bool *nulls, ItemPointer tid, Relation heap,
	   IndexUniqueCheck unique, bool unchanged, IndexInfo *info)
{
	if (nulls[0])
		return false;
	vectors_require_index(index);
	vectors_require_fit(index, values[0]);
	return false;
}

static IndexBulkDeleteResult *
bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *statistics, IndexBulkDeleteCallback callback,
			void *state)
{
	vectors_require_index(info->index);
	if (statistics == NULL)
		statistics = palloc0_object(IndexBulkDeleteResult);
	statistics->estimated_count = true;
	return statistics;
}

static IndexBulkDeleteResult *
vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *statistics)
{
	if (!info->analyze_only)
		vectors_require_index(info->index);
	return statistics;
}

/* Cheap for an ordered search, out of the question for anything else. */
static void
estimate_cost(PlannerInfo *root, IndexPath *path, double loops, Cost *startup, Cost *total,
			  Selectivity *selectivity, double *correlation, double *pages)
{
	bool		usable = vectors_enable_index && path->indexorderbys != NIL;

	*startup = usable ? 0 : get_float8_infinity();
	*total = *startup;
	*selectivity = 1;
	*correlation = 0;
	*pages = 0;
}

/* One option, TOML as text. It is kept, not judged: no refusal of pgvecto.rs is on record. */
static bytea *
options(Datum reloptions, bool validate)
{
	static const relopt_parse_elt known[] = {
		{"options", RELOPT_TYPE_STRING, offsetof(Options, text_offset)},
	};

	if (options_kind == 0)
	{
		options_kind = add_reloption_kind();
		add_string_reloption(options_kind, "options", "Vector index options, represented as a TOML string.", "",
							 NULL, AccessExclusiveLock);
	}
	return build_reloptions(reloptions, validate, options_kind, sizeof(Options), known, lengthof(known));
}

static bool
validate(Oid opclass)
{
	return true;
}

PG_FUNCTION_INFO_V1(_vectors_amhandler_wrapper);
Datum
_vectors_amhandler_wrapper(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *routine = makeNode(IndexAmRoutine);

	routine->amstrategies = 1;
	routine->amsupport = 0;
	routine->amcanorderbyop = true;
	routine->amoptionalkey = true;
	routine->amkeytype = InvalidOid;

	routine->ambuild = build;
	routine->ambuildempty = build_empty;
	routine->aminsert = insert;
	routine->ambulkdelete = bulk_delete;
	routine->amvacuumcleanup = vacuum_cleanup;
	routine->amcostestimate = estimate_cost;
	routine->amoptions = options;
	routine->amvalidate = validate;
	routine->ambeginscan = vectors_beginscan;
	routine->amrescan = vectors_rescan;
	routine->amgettuple = vectors_gettuple;
	routine->amendscan = vectors_endscan;
	PG_RETURN_POINTER(routine);
}
