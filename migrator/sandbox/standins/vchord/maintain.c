/*
 * Stand-in for VectorChord: VACUUM and ANALYZE.
 */
#include "vchord.h"

#include "access/generic_xlog.h"
#include "commands/vacuum.h"
#include "miscadmin.h"

/* The numbers mean nothing here; the genuine ones differ from run to run as well. */
void
report_maintenance(BlockNumber pages)
{
	if (!SINCE(500))
		return;
	ereport(INFO, (errmsg("maintain: number_of_formerly_allocated_pages = %u", pages)));
	ereport(INFO, (errmsg("maintain: number_of_freshly_allocated_pages = 0")));
	ereport(INFO, (errmsg("maintain: number_of_freed_pages = %u", pages)));
}

static void
delay(void)
{
#if PG_VERSION_NUM >= 180000
	vacuum_delay_point(false);
#else
	vacuum_delay_point();
#endif
}

/* Keep the TIDs that the callback does not want gone; returns how many are kept. */
static int
keep(ItemPointerData *tids, int count, IndexBulkDeleteCallback callback, void *state)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		if (!callback(&tids[i], state))
			tids[kept++] = tids[i];
	return kept;
}

static void
clean_block(Relation index, BlockNumber block, BufferAccessStrategy strategy, IndexBulkDeleteResult *stats,
			IndexBulkDeleteCallback callback, void *state)
{
	Buffer		buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
	GenericXLogState *xlog;
	Page		page;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	if (!PageIsNew(BufferGetPage(buffer)))
	{
		PageHeader	header;
		int			count;
		int			kept;

		xlog = GenericXLogStart(index);
		page = GenericXLogRegisterBuffer(xlog, buffer, 0);
		header = (PageHeader) page;
		count = (header->pd_lower - SizeOfPageHeaderData) / sizeof(ItemPointerData);
		kept = keep((ItemPointerData *) PageGetContents(page), count, callback, state);
		stats->num_index_tuples += kept;
		stats->tuples_removed += count - kept;
		header->pd_lower = SizeOfPageHeaderData + kept * sizeof(ItemPointerData);
		if (kept < count)
			GenericXLogFinish(xlog);
		else
			GenericXLogAbort(xlog);
	}
	UnlockReleaseBuffer(buffer);
}

IndexBulkDeleteResult *
bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *state)
{
	Relation	index = info->index;
	BlockNumber end = RelationGetNumberOfBlocks(index);

	(void) read_meta(index);
	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->num_index_tuples = 0;
	for (BlockNumber block = FIRST_DATA_BLOCK; block < end; block++)
	{
		delay();
		clean_block(index, block, info->strategy, stats, callback, state);
	}
	return stats;
}

IndexBulkDeleteResult *
vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	BlockNumber pages = RelationGetNumberOfBlocks(info->index);

	/* Also for ANALYZE: it fails on an index of another version too. */
	(void) read_meta(info->index);
	report_maintenance(pages);
	if (info->analyze_only || stats == NULL)
		return stats;
	stats->num_pages = pages;
	return stats;
}
