/* What the parts of the stand-in for pgvecto.rs share. */
#ifndef STANDIN_VECTORS_H
#define STANDIN_VECTORS_H

#include "postgres.h"

#include "access/amapi.h"
#include "fmgr.h"
#if PG_VERSION_NUM >= 160000
#include "storage/relfilelocator.h"
#else /* the same under its older names */
#include "storage/relfilenode.h"
#define RelFileLocator RelFileNode
#define RelFileNumber Oid
#define relNumber relNode
#define rd_locator rd_node
#endif
#include "utils/rel.h"

#define BEFORE_0_3 (STANDIN_VERSION_NUM < 300)

/* Raises the error that the genuine library raises: XX000, the whole text in the message. */
#define PGVECTORS_ERROR(text) \
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg_internal("pgvecto.rs: %s", (text))))

#define TEXT_PRELOAD \
	"pgvecto.rs must be loaded via shared_preload_libraries.\n" \
	"ADVICE: If you encounter this error for your first use of pgvecto.rs, please read " \
	"`https://docs.pgvecto.rs/getting-started/installation.html`. You should edit " \
	"`shared_preload_libraries` in `postgresql.conf` to include `vectors.so`, or simply run the command " \
	"`psql -U postgres -c 'ALTER SYSTEM SET shared_preload_libraries = \"vectors.so\"'`."
#define TEXT_MISSING "The index is not existing in the background worker.\nADVICE: Drop or rebuild the index."
#define TEXT_OUTDATED "The extension is upgraded so all index files are outdated."
#define TEXT_NO_DIMENSION "Dimensions type modifier of a vector column is needed for building the index."
#if BEFORE_0_3
#define TEXT_WORKER_GONE \
	"IPC connection is closed unexpected.\n" \
	"ADVICE: The error is raisen by background worker errors. Please check the full PostgreSQL log to get " \
	"more information. Please read `https://docs.pgvecto.rs/admin/configuration.html`."
#define TEXT_UNFIT \
	"The given vector is invalid for input.\n" \
	"ADVICE: Check if dimensions and scalar type of the vector is matched with the index."
#else
#define TEXT_WORKER_GONE "IPC connection is closed unexpectedly."
#define TEXT_UNFIT "The dimension of a vector does not matched that in a vector index column."
#endif

/*
 * The server loads all libraries into one name space: what is not meant for it stays inside, so that no other
 * library's function of the same name is called instead.
 */
#pragma GCC visibility push(hidden)

/* module.c */
extern bool vectors_enable_index;
extern bool vectors_pgvector_compatibility;

/* worker.c: the process "postgres: vectors" */
extern void vectors_register_worker(void);
extern bool vectors_worker_is_alive(void);
extern void vectors_require_worker(void);

/* files.c: pg_vectors/ in the data directory */
extern void vectors_prepare_files(void);
extern bool vectors_files_outdated(void);
extern void vectors_remove_all_files(void);
extern void vectors_create_index_files(RelFileNumber number);
extern bool vectors_have_index_files(RelFileNumber number);
extern int64 vectors_index_files_age_seconds(RelFileNumber number);
extern void vectors_remove_index_files(RelFileNumber number);

/* transaction.c, compatibility.c */
extern void vectors_install_transaction_hooks(void);
extern void vectors_install_compatibility(void);

/* am.c: what every use of an index checks first */
extern void vectors_require_index(Relation index);
extern void vectors_require_fit(Relation index, Datum value);

/* scan.c */
extern IndexScanDesc vectors_beginscan(Relation index, int nkeys, int norderbys);
extern void vectors_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern bool vectors_gettuple(IndexScanDesc scan, ScanDirection direction);
extern void vectors_endscan(IndexScanDesc scan);

#pragma GCC visibility pop

#endif
