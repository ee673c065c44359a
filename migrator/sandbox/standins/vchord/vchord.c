/*
 * Stand-in for VectorChord: loading, access methods, what the planner is told.
 */
#include "vchord.h"

#include "commands/vacuum.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "utils/float.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* Up to 0.4.3 the postmaster is told from a backend, later the preloading itself. */
	bool		too_late = SINCE(500) ? !process_shared_preload_libraries_in_progress : IsUnderPostmaster;

	if (too_late)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("vchord must be loaded via shared_preload_libraries.")));
	define_settings();
	define_index_options();
}

static bool
may_scan(Relation index)
{
	return is_vchordg(index) ? vchordg_enable_scan : vchordrq_enable_scan;
}

static void
estimate_cost(PlannerInfo *root, IndexPath *path, double loop_count, Cost *startup, Cost *total,
			  Selectivity *selectivity, double *correlation, double *pages)
{
	Relation	index = index_open(path->indexinfo->indexoid, NoLock);
	bool		usable = path->indexorderbys != NIL && may_scan(index);

	/* From 0.4.0 planning looks into the index, so it is here that a stale one is noticed. */
	if (usable && SINCE(400))
	{
		Meta		meta = read_meta(index);

		check_probes(index, &meta);
	}
	index_close(index, NoLock);

	*startup = usable ? 0 : get_float8_infinity();
	*total = *startup;
	*selectivity = 1;
	/* With this a table without statistics (reltuples is 0 after a build) is read sequentially, as observed. */
	*correlation = 1;
	*pages = 1;
}

static bool
validate_opclass(Oid opclass)
{
	return true;
}

static Datum
access_method(void)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 5;
	am->amsupport = 1;
	am->amcanorderbyop = true;
	am->amoptionalkey = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_NO_PARALLEL;
	am->amkeytype = InvalidOid;
	am->ambuild = build_index;
	am->ambuildempty = build_empty;
	am->aminsert = insert_tuple;
	am->ambulkdelete = bulk_delete;
	am->amvacuumcleanup = vacuum_cleanup;
	am->amcostestimate = estimate_cost;
	am->amoptions = read_index_options;
	am->ambuildphasename = build_phase_name;
	am->amvalidate = validate_opclass;
	am->ambeginscan = begin_scan;
	am->amrescan = restart_scan;
	am->amgettuple = next_tuple;
	am->amendscan = end_scan;
	return PointerGetDatum(am);
}

PG_FUNCTION_INFO_V1(_vchordrq_amhandler_wrapper);
Datum
_vchordrq_amhandler_wrapper(PG_FUNCTION_ARGS)
{
	return access_method();
}

#if SINCE(500)
PG_FUNCTION_INFO_V1(_vchordg_amhandler_wrapper);
Datum
_vchordg_amhandler_wrapper(PG_FUNCTION_ARGS)
{
	return access_method();
}
#endif
