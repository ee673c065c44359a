/*
 * What pgvecto.rs does at the end of every transaction, in every database of a cluster that preloads it.
 *
 * 0.2.0 tells its worker about every relation file that a transaction frees or has made in vain.  When the worker
 * is gone, that raises an error: before a commit it makes the transaction fail, but in the callback of an abort it
 * leads PostgreSQL into aborting again and again, until its error stack is full and the whole server goes down.
 * Nothing of that is staged here: the error in the callback does it by itself.
 *
 * 0.3.0 speaks to its worker only about indexes of its own, after the commit, and only warns.
 */
#include "vectors.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/defrem.h"
#include "utils/syscache.h"

typedef struct FileList
{
	int			count;
	RelFileLocator *files;
} FileList;

/* Files that the commit under way will free; they live in the transaction's memory. */
static FileList freed;

/* Returns the permanent relation files that a commit (or an abort) will unlink. */
static FileList
pending_files(bool at_commit)
{
	FileList	list;

	list.count = smgrGetPendingDeletes(at_commit, &list.files);
	return list;
}

static void
remove_index_files(FileList list)
{
	for (int i = 0; i < list.count; i++)
		vectors_remove_index_files(list.files[i].relNumber);
}

#if BEFORE_0_3
static void
before_commit(void)
{
	freed = pending_files(true);
	if (freed.count > 0)
		vectors_require_worker();
}

static void
after_commit(void)
{
	remove_index_files(freed);
}

static void
after_abort(void)
{
	FileList	made = pending_files(false);

	if (made.count > 0)
		vectors_require_worker();
	remove_index_files(made);
}

static void
install_drop_hook(void)
{
}
#else
static object_access_hook_type next_hook = NULL;

/* Whether the transaction drops an index of ours. */
static bool dropped_index = false;

static bool
is_index_of_ours(Oid relation)
{
	HeapTuple	row = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool		ours;

	if (!HeapTupleIsValid(row))
		return false;
	ours = ((Form_pg_class) GETSTRUCT(row))->relkind == RELKIND_INDEX
		&& ((Form_pg_class) GETSTRUCT(row))->relam == get_am_oid("vectors", true);
	ReleaseSysCache(row);
	return ours;
}

static void
note_drop(ObjectAccessType access, Oid class, Oid object, int sub_object, void *argument)
{
	if (next_hook)
		next_hook(access, class, object, sub_object, argument);
	if (access == OAT_DROP && class == RelationRelationId && sub_object == 0
		&& is_index_of_ours(object))
		dropped_index = true;
}

static void
install_drop_hook(void)
{
	next_hook = object_access_hook;
	object_access_hook = note_drop;
}

static void
before_commit(void)
{
	freed = pending_files(true);
}

static void
after_commit(void)
{
	if (dropped_index && vectors_files_outdated())
		ereport(WARNING,
				(errmsg("Failed to maintain vector indexes: Failed to create RPC client.")));
	else if (dropped_index && !vectors_worker_is_alive())
		ereport(WARNING, (errmsg("Failed to maintain vector indexes")));
	else
		remove_index_files(freed);
	dropped_index = false;
}

static void
after_abort(void)
{
	remove_index_files(pending_files(false));
	dropped_index = false;
}
#endif

static void
at_transaction_end(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_COMMIT:
			after_commit();
			freed.count = 0;
			break;
		case XACT_EVENT_ABORT:
			freed.count = 0;
			after_abort();
			break;
		default:
			break;
	}
}

void
vectors_install_transaction_hooks(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	install_drop_hook();
}
