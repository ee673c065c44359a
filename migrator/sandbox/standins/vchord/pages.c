/*
 * Stand-in for VectorChord: the index on disk.
 *
 * Block 0 is the meta page, every other block a plain array of heap TIDs; vectors are read from the
 * table when they are needed. Changes go through generic WAL, so a killed server recovers them. A
 * block may be all zeros when the server died between extending the file and logging the page: such
 * a block is empty and will be filled later.
 */
#include "vchord.h"

#include "access/generic_xlog.h"
#include "commands/defrem.h"

bool
is_vchordg(Relation index)
{
	return SINCE(500) && strcmp(get_am_name(index->rd_rel->relam), "vchordg") == 0;
}

static uint32
expected_magic(Relation index)
{
	return is_vchordg(index) ? META_MAGIC_VCHORDG : META_MAGIC_VCHORDRQ;
}

static uint32
expected_format(Relation index)
{
#if SINCE(500)
	if (is_vchordg(index))
		return VCHORDG_FORMAT;
#endif
	return VCHORDRQ_FORMAT;
}

static void
set_used(Page page, Size bytes)
{
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData + bytes;
}

static int
tid_count(Page page)
{
	if (PageIsNew(page))
		return 0;
	return (((PageHeader) page)->pd_lower - SizeOfPageHeaderData) / sizeof(ItemPointerData);
}

void
create_meta(Relation index, const Meta *meta)
{
	Buffer		buffer = ReadBuffer(index, P_NEW);
	GenericXLogState *state;
	Page		page;
	Meta	   *stored;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	Assert(BufferGetBlockNumber(buffer) == META_BLOCK);
	state = GenericXLogStart(index);
	page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	PageInit(page, BLCKSZ, 0);
	stored = (Meta *) PageGetContents(page);
	*stored = *meta;
	stored->magic = expected_magic(index);
	stored->format = expected_format(index);
	stored->insert_block = FIRST_DATA_BLOCK;
	set_used(page, sizeof(Meta));
	GenericXLogFinish(state);
	UnlockReleaseBuffer(buffer);
}

Meta
read_meta(Relation index)
{
	Buffer		buffer = ReadBuffer(index, META_BLOCK);
	Meta		meta;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	meta = *(Meta *) PageGetContents(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);

	if (meta.magic != expected_magic(index))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR), errmsg("deserialization: bad magic number")));
	if (meta.format != expected_format(index))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("deserialization: bad version number%s",
						SINCE(403) ? "; after upgrading VectorChord, please use REINDEX to rebuild the index."
						: "")));
	return meta;
}

/* Locked and with room for at least one TID. The caller's lock on the meta page keeps others out. */
static Buffer
block_with_room(Relation index, BlockNumber block)
{
	BlockNumber end = RelationGetNumberOfBlocks(index);

	for (; block < end; block++)
	{
		Buffer		buffer = ReadBuffer(index, block);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		if (tid_count(BufferGetPage(buffer)) < TIDS_PER_PAGE)
			return buffer;
		UnlockReleaseBuffer(buffer);
	}
	{
		Buffer		buffer = ReadBuffer(index, P_NEW);

		LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
		return buffer;
	}
}

static int
fill_page(Page page, const ItemPointerData *tids, int count)
{
	int			used;

	if (PageIsNew(page))
		PageInit(page, BLCKSZ, 0);
	used = tid_count(page);
	count = Min(count, TIDS_PER_PAGE - used);
	memcpy((ItemPointer) PageGetContents(page) + used, tids, count * sizeof(ItemPointerData));
	set_used(page, (used + count) * sizeof(ItemPointerData));
	return count;
}

void
append_tids(Relation index, const ItemPointerData *tids, int count)
{
	Buffer		meta_buffer = ReadBuffer(index, META_BLOCK);

	LockBuffer(meta_buffer, BUFFER_LOCK_EXCLUSIVE);
	while (count > 0)
	{
		BlockNumber hint = ((Meta *) PageGetContents(BufferGetPage(meta_buffer)))->insert_block;
		Buffer		buffer = block_with_room(index, hint);
		/* Recovery may not find a page that was just added, so its record must not be a difference. */
		int			flags = PageIsNew(BufferGetPage(buffer)) ? GENERIC_XLOG_FULL_IMAGE : 0;
		GenericXLogState *state = GenericXLogStart(index);
		int			written = fill_page(GenericXLogRegisterBuffer(state, buffer, flags), tids, count);

		if (BufferGetBlockNumber(buffer) != hint)
		{
			Page		meta_page = GenericXLogRegisterBuffer(state, meta_buffer, 0);

			((Meta *) PageGetContents(meta_page))->insert_block = BufferGetBlockNumber(buffer);
		}
		GenericXLogFinish(state);
		UnlockReleaseBuffer(buffer);
		tids += written;
		count -= written;
	}
	UnlockReleaseBuffer(meta_buffer);
}

/* Copy a block's TIDs, at most TIDS_PER_PAGE, and say how many they are. */
int
read_tids(Relation index, BlockNumber block, ItemPointerData *tids)
{
	Buffer		buffer = ReadBuffer(index, block);
	Page		page = BufferGetPage(buffer);
	int			count;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	count = tid_count(page);
	if (count > 0)
		memcpy(tids, PageGetContents(page), count * sizeof(ItemPointerData));
	UnlockReleaseBuffer(buffer);
	return count;
}
