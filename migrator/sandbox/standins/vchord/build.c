/*
 * Stand-in for VectorChord: building an index and inserting into it.
 */
#include "vchord.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/latch.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

typedef struct BuildState
{
	Relation	index;
	int			width;
	uint32		dimension;
	int64		tuples;
	int			pending;			/* how many of "tids" are not yet on disk */
	ItemPointerData tids[TIDS_PER_PAGE];
	MemoryContext scratch;
	TimestampTz started;
} BuildState;

static void
set_phase(int64 phase)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}

char *
build_phase_name(int64 phase)
{
	if (phase >= PHASE_PERCENT)
		return psprintf("initializing index, by internal build (%d %%)", (int) (phase - PHASE_PERCENT));
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case PHASE_INTERNAL:
			return "initializing index, by internal build";
		case PHASE_EXTERNAL:
			return "initializing index, by external build";
		case PHASE_DEFAULT:
			return SINCE(503) ? "initializing index, by default build" : "initializing index, by internal build";
		case PHASE_INITIALIZING_INDEX:
			return "initializing index";
		case PHASE_INSERTING:
			return "inserting tuples from table to index";
		case PHASE_COMPACTING:
			return "compacting tuples in index";
		default:
			return NULL;
	}
}

static void
flush(BuildState *state)
{
	append_tids(state->index, state->tids, state->pending);
	state->pending = 0;
}

/*
 * Stay below the asked-for speed. This build is over before anybody sees its progress or could
 * interrupt it; the setting gives it the time that a genuine one takes.
 */
static void
throttle(BuildState *state)
{
	TimestampTz due;

	if (build_rows_per_second == 0)
		return;
	due = TimestampTzPlusMilliseconds(state->started, state->tuples * 1000 / build_rows_per_second);
	while (GetCurrentTimestamp() < due)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
add_tuple(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *opaque)
{
	BuildState *state = opaque;
	MemoryContext before;

	if (isnull[0])
		return;
	before = MemoryContextSwitchTo(state->scratch);
	check_value(values[0], state->width, state->dimension);
	MemoryContextSwitchTo(before);
	MemoryContextReset(state->scratch);

	if (state->pending == TIDS_PER_PAGE)
		flush(state);
	state->tids[state->pending++] = *tid;
	state->tuples++;
	pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, state->tuples);
	throttle(state);
}

static void
count_tuple(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive, void *opaque)
{
	if (!isnull[0])
		++*(int64 *) opaque;
}

/*
 * The sample of 1.0.0 and later contains dead row versions, which is why a bad value that was
 * updated away still fails the build.
 */
static int64
sample_any(Relation heap, struct IndexInfo *info, int64 wanted, int width)
{
	TupleTableSlot *slot = table_slot_create(heap, NULL);
	EState	   *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	TableScanDesc scan = table_beginscan(heap, SnapshotAny, 0, NULL);
	int64		found = 0;

	context->ecxt_scantuple = slot;
	while (found < wanted && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		isnull[INDEX_MAX_KEYS];
		MemoryContext before = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);

		CHECK_FOR_INTERRUPTS();
		FormIndexDatum(info, slot, estate, values, isnull);
		if (!isnull[0])
		{
			check_header(values[0], width);
			found++;
		}
		MemoryContextSwitchTo(before);
		ResetExprContext(context);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	/* These belonged to the executor state that is gone. */
	info->ii_ExpressionsState = NIL;
	info->ii_PredicateState = NULL;
	return found;
}

/* How many rows the k-means would look at. */
static int64
sample(Relation heap, Relation index, struct IndexInfo *info, const BuildOptions *options)
{
	int64		lists = options->levels == 0 ? 0 : options->lists[options->levels - 1];
	int64		wanted = lists * options->sampling_factor;
	int64		found = 0;

	if (SINCE(10000))
		return wanted == 0 ? 0 : sample_any(heap, info, wanted, element_width(index));
	if (lists > 1)
		table_index_build_scan(heap, index, info, true, false, count_tuple, &found, NULL);
	return Min(found, wanted);
}

static void
prepare(Relation heap, Relation index, struct IndexInfo *info, const BuildOptions *options, Meta *meta)
{
	static const int64 phases[] = {PHASE_DEFAULT, PHASE_INTERNAL, PHASE_EXTERNAL};

	set_phase(phases[options->source]);
	if (options->source == BUILD_INTERNAL)
	{
		tell_memory(options, meta->dimension);
		cluster(options, meta->dimension, sample(heap, index, info, options));
	}
	set_phase(PHASE_INITIALIZING_INDEX);
	meta->levels = options->levels;
	for (int i = 0; i < options->levels; i++)
		meta->lists[i] = (uint32) options->lists[i];
	create_meta(index, meta);
}

static void
fill(Relation heap, Relation index, struct IndexInfo *info)
{
	BuildState *state = palloc0(sizeof(BuildState));

	state->index = index;
	state->width = element_width(index);
	state->dimension = column_dimension(index);
	state->started = GetCurrentTimestamp();
	state->scratch = AllocSetContextCreate(CurrentMemoryContext, "vchord build", ALLOCSET_DEFAULT_SIZES);
	set_phase(PHASE_INSERTING);
	table_index_build_scan(heap, index, info, true, true, add_tuple, state, NULL);
	flush(state);
	MemoryContextDelete(state->scratch);
	pfree(state);
}

IndexBuildResult *
build_index(Relation heap, Relation index, struct IndexInfo *info)
{
	BuildOptions options = {.source = BUILD_DEFAULT};
	Meta		meta = {.dimension = column_dimension(index)};

	if (is_vchordg(index))
		parse_vchordg_options(index);
	else
		options = parse_vchordrq_options(index);
	prepare(heap, index, info, &options, &meta);
	fill(heap, index, info);
	set_phase(PHASE_COMPACTING);
	report_maintenance(RelationGetNumberOfBlocks(index));

	/* All zero, as in the genuine libraries: reltuples is wrong until the next ANALYZE. */
	return palloc0(sizeof(IndexBuildResult));
}

void
build_empty(Relation index)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR), errmsg("Unlogged indexes are not supported.")));
}

bool
insert_tuple(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
			 IndexUniqueCheck check, bool unchanged, struct IndexInfo *info)
{
	Meta		meta = read_meta(index);

	if (isnull[0])
		return false;
	check_value(values[0], element_width(index), meta.dimension);
	append_tids(index, tid, 1);
	return false;
}
