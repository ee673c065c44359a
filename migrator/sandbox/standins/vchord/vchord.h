/*
 * Stand-in for VectorChord: what its files share.
 *
 * One source serves every imitated version; STANDIN_VERSION_NUM (major * 10000 + minor * 100 + patch)
 * decides where they differ.
 */
#ifndef STANDIN_VCHORD_H
#define STANDIN_VCHORD_H

#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved EmitWarningsOnPlaceholders
#endif

#define SINCE(version) (STANDIN_VERSION_NUM >= (version))

/* The number on the meta page. A library refuses indexes that carry another one: REINDEX heals them. */
#if SINCE(10100)
#define VCHORDRQ_FORMAT 1001
#define VCHORDG_FORMAT 1001
#elif SINCE(10000)
#define VCHORDRQ_FORMAT 1000
#define VCHORDG_FORMAT 1000
#elif SINCE(500)
#define VCHORDRQ_FORMAT 11
#define VCHORDG_FORMAT 10
#elif SINCE(400)
#define VCHORDRQ_FORMAT 9
#else
#define VCHORDRQ_FORMAT 5
#endif

#define MAX_LEVELS 8

/* Contents of block 0. Everything up to "format" must stay where it is: other versions read it. */
typedef struct Meta
{
	uint32		magic;
	uint32		format;
	uint32		dimension;
	uint32		levels;				/* how many entries of "lists" are used */
	uint32		lists[MAX_LEVELS];	/* from the root downwards */
	BlockNumber insert_block;		/* where to look first for room; a hint */
} Meta;

#define META_MAGIC_VCHORDRQ 0x51724356
#define META_MAGIC_VCHORDG 0x67724356
#define META_BLOCK 0
#define FIRST_DATA_BLOCK 1
#define TIDS_PER_PAGE ((int) ((BLCKSZ - SizeOfPageHeaderData) / sizeof(ItemPointerData)))

/* How the lists come about: the TOML table that follows "build." */
typedef enum BuildSource
{
	BUILD_DEFAULT,
	BUILD_INTERNAL,
	BUILD_EXTERNAL
} BuildSource;

typedef struct BuildOptions
{
	BuildSource source;
	bool		residual_quantization;
	int			levels;
	int64		lists[MAX_LEVELS];
	int64		sampling_factor;
	int64		kmeans_iterations;
	int64		build_threads;
} BuildOptions;

/* rd_options of an index; the fields hold offsets of strings. */
typedef struct IndexOptions
{
	int32		vl_len_;
	int			options;
	int			probes;
	double		epsilon;
} IndexOptions;

/* The server exports names of its own ("cluster" is one) that must not take the place of ours. */
#pragma GCC visibility push(hidden)

/* settings.c */
extern char *vchordrq_probes;
extern bool vchordrq_enable_scan;
extern bool vchordg_enable_scan;
extern int	build_rows_per_second;
extern void define_settings(void);
extern void check_probes(Relation index, const Meta *meta);

/* options.c */
extern void define_index_options(void);
extern bytea *read_index_options(Datum reloptions, bool validate);
extern BuildOptions parse_vchordrq_options(Relation index);
extern void parse_vchordg_options(Relation index);

/* pages.c */
extern bool is_vchordg(Relation index);
extern void create_meta(Relation index, const Meta *meta);
extern Meta read_meta(Relation index);
extern void append_tids(Relation index, const ItemPointerData *tids, int count);
extern int	read_tids(Relation index, BlockNumber block, ItemPointerData *tids);

/* values.c */
extern uint32 column_dimension(Relation index);
extern int	element_width(Relation index);
extern bool is_l2(Relation index);
extern void check_header(Datum value, int width);
extern void check_value(Datum value, int width, uint32 dimension);

/* build.c */
extern IndexBuildResult *build_index(Relation heap, Relation index, struct IndexInfo *info);
extern void build_empty(Relation index);
extern bool insert_tuple(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
						 IndexUniqueCheck check, bool unchanged, struct IndexInfo *info);
extern char *build_phase_name(int64 phase);

/* maintain.c */
extern IndexBulkDeleteResult *bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
										  IndexBulkDeleteCallback callback, void *state);
extern IndexBulkDeleteResult *vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);
extern void report_maintenance(BlockNumber pages);

/* scan.c */
extern IndexScanDesc begin_scan(Relation index, int nkeys, int norderbys);
extern void restart_scan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern bool next_tuple(IndexScanDesc scan, ScanDirection direction);
extern void end_scan(IndexScanDesc scan);

/* clustering.c */
extern void tell_memory(const BuildOptions *options, uint32 dimension);
extern void cluster(const BuildOptions *options, uint32 dimension, int64 points);

#pragma GCC visibility pop

/* Subphases that pg_stat_progress_create_index shows; 1 belongs to the core ("initializing"). */
#define PHASE_INTERNAL 2
#define PHASE_EXTERNAL 3
#define PHASE_DEFAULT 4
#define PHASE_INITIALIZING_INDEX 5
#define PHASE_INSERTING 6
#define PHASE_COMPACTING 7
#define PHASE_PERCENT 100			/* + percent done of the k-means */

#endif
