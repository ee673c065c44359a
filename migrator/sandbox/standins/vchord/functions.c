/*
 * Stand-in for VectorChord: the functions that the SQL of the extension names.
 *
 * Prewarming and the names of the operator classes are real. The others (quantised types, spheres,
 * MaxSim, query sampling) exist so that the catalogs are right, and refuse to work.
 */
#include "vchord.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#define RULE "------------------------\n"

static Datum
refuse(const char *symbol)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the stand-in for VectorChord has no \"%s\"", symbol)));
	return (Datum) 0;
}

#define PLACEHOLDER(symbol) \
	PG_FUNCTION_INFO_V1(symbol); \
	Datum symbol(PG_FUNCTION_ARGS) { return refuse(#symbol); } \
	extern int standin_semicolon

#define SUPPORT(am, opclass) \
	PG_FUNCTION_INFO_V1(_##am##_support_##opclass##_wrapper); \
	Datum _##am##_support_##opclass##_wrapper(PG_FUNCTION_ARGS) \
	{ PG_RETURN_TEXT_P(cstring_to_text(#opclass)); } \
	extern int standin_semicolon

#define SUPPORTS(am, type) \
	SUPPORT(am, type##_l2_ops); \
	SUPPORT(am, type##_ip_ops); \
	SUPPORT(am, type##_cosine_ops)

#define SPHERES(type) \
	PLACEHOLDER(_vchord_##type##_sphere_l2_in_wrapper); \
	PLACEHOLDER(_vchord_##type##_sphere_ip_in_wrapper); \
	PLACEHOLDER(_vchord_##type##_sphere_cosine_in_wrapper)

#define QUANTIZED(type) \
	PLACEHOLDER(_vchord_##type##_in_wrapper); \
	PLACEHOLDER(_vchord_##type##_out_wrapper); \
	PLACEHOLDER(_vchord_##type##_recv_wrapper); \
	PLACEHOLDER(_vchord_##type##_send_wrapper); \
	PLACEHOLDER(_vchord_##type##_operator_l2_wrapper); \
	PLACEHOLDER(_vchord_##type##_operator_ip_wrapper); \
	PLACEHOLDER(_vchord_##type##_operator_cosine_wrapper); \
	PLACEHOLDER(_vchord_vector_quantize_to_##type##_wrapper); \
	PLACEHOLDER(_vchord_halfvec_quantize_to_##type##_wrapper); \
	SPHERES(type)

#define RABITQ(type) \
	QUANTIZED(type); \
	PLACEHOLDER(_vchord_##type##_typmod_in_wrapper); \
	PLACEHOLDER(_vchord_##type##_operator_maxsim_wrapper); \
	PLACEHOLDER(_vchord_##type##_dequantize_to_vector_wrapper); \
	PLACEHOLDER(_vchord_##type##_dequantize_to_halfvec_wrapper); \
	SUPPORTS(vchordrq, type); \
	SUPPORT(vchordrq, type##_maxsim_ops); \
	SUPPORTS(vchordg, type)

SPHERES(vector);
SPHERES(halfvec);
PLACEHOLDER(_vchord_vector_operator_maxsim_wrapper);
PLACEHOLDER(_vchord_halfvec_operator_maxsim_wrapper);
SUPPORTS(vchordrq, vector);
SUPPORTS(vchordrq, halfvec);
SUPPORT(vchordrq, vector_maxsim_ops);
SUPPORT(vchordrq, halfvec_maxsim_ops);

#if SINCE(500)
SUPPORTS(vchordg, vector);
SUPPORTS(vchordg, halfvec);
PLACEHOLDER(_vchordrq_sampled_values_wrapper);
#endif

#if SINCE(10100)
RABITQ(rabitq8);
RABITQ(rabitq4);
#else
QUANTIZED(scalar8);
PLACEHOLDER(_vchord_typmod_in_65535_wrapper);
PLACEHOLDER(_vchord_typmod_out_wrapper);
#endif

static Relation
open_index(Oid oid)
{
	Relation	index = relation_open(oid, AccessShareLock);

	if (index->rd_rel->relkind != RELKIND_INDEX || index->rd_indam->ambuild != build_index)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a vchord index", RelationGetRelationName(index))));
	return index;
}

static void
append_level(StringInfo text, int64 nodes, int64 pages)
{
	appendStringInfo(text, RULE "number of nodes: " INT64_FORMAT "\nnumber of pages: " INT64_FORMAT "\n",
					 nodes, pages);
}

/* Reads every page, and thereby finds out whether the index is of this version. */
static Datum
prewarm(Oid oid)
{
	Relation	index = open_index(oid);
	Meta		meta = read_meta(index);
	BlockNumber end = RelationGetNumberOfBlocks(index);
	ItemPointerData tids[TIDS_PER_PAGE];
	int64		nodes = 0;
	StringInfoData text;

	for (BlockNumber block = FIRST_DATA_BLOCK; block < end; block++)
		nodes += read_tids(index, block, tids);
	relation_close(index, AccessShareLock);

	initStringInfo(&text);
	appendStringInfo(&text, "height of root: %u\n", meta.levels + 1);
	append_level(&text, 1, 1);
	for (uint32 i = 0; i < meta.levels; i++)
		append_level(&text, meta.lists[i], 1);
	append_level(&text, nodes, end - FIRST_DATA_BLOCK);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text.data, text.len));
}

PG_FUNCTION_INFO_V1(_vchordrq_prewarm_wrapper);
Datum
_vchordrq_prewarm_wrapper(PG_FUNCTION_ARGS)
{
	return prewarm(PG_GETARG_OID(0));
}

#if SINCE(500)
PG_FUNCTION_INFO_V1(_vchordg_prewarm_wrapper);
Datum
_vchordg_prewarm_wrapper(PG_FUNCTION_ARGS)
{
	return prewarm(PG_GETARG_OID(0));
}
#endif
