/*
 * Functions that the genuine extension has and nothing here needs: they exist, because CREATE FUNCTION and people who
 * read the catalog look for them, and refuse to be called.
 */
#include "vectors.h"

static Datum
refuse(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the stand-in for pgvecto.rs does not carry out \"%s\"", name)));
	return (Datum) 0;
}

#define UNSUPPORTED(name) \
PG_FUNCTION_INFO_V1(_vectors_##name##_wrapper); \
Datum \
_vectors_##name##_wrapper(PG_FUNCTION_ARGS) \
{ \
	return refuse(#name); \
}

#if BEFORE_0_3
UNSUPPORTED(ai_embedding_vector)
#else

#define UNSUPPORTED_EXCHANGE(type) \
UNSUPPORTED(type##_in) \
UNSUPPORTED(type##_out) \
UNSUPPORTED(type##_recv) \
UNSUPPORTED(type##_send) \
UNSUPPORTED(type##_dims) \
UNSUPPORTED(type##_norm) \
UNSUPPORTED(cast_##type##_to_vecf32) \
UNSUPPORTED(cast_vecf32_to_##type)

#define UNSUPPORTED_COMPARISONS(type) \
UNSUPPORTED(type##_operator_l2) \
UNSUPPORTED(type##_operator_dot) \
UNSUPPORTED(type##_operator_cosine) \
UNSUPPORTED(type##_operator_lt) \
UNSUPPORTED(type##_operator_lte) \
UNSUPPORTED(type##_operator_eq) \
UNSUPPORTED(type##_operator_neq) \
UNSUPPORTED(type##_operator_gt) \
UNSUPPORTED(type##_operator_gte)

#define UNSUPPORTED_AGGREGATES(type) \
UNSUPPORTED(type##_aggregate_avg_sum_sfunc) \
UNSUPPORTED(type##_aggregate_avg_sum_combinefunc) \
UNSUPPORTED(type##_aggregate_avg_finalfunc) \
UNSUPPORTED(type##_aggregate_sum_finalfunc)

UNSUPPORTED_EXCHANGE(svecf32)
UNSUPPORTED_COMPARISONS(svecf32)
UNSUPPORTED(svecf32_operator_add)
UNSUPPORTED(svecf32_operator_minus)
UNSUPPORTED(svecf32_operator_mul)
UNSUPPORTED(svecf32_normalize)
UNSUPPORTED(svecf32_subscript)
UNSUPPORTED(svecf32_div)
UNSUPPORTED_AGGREGATES(svecf32)

UNSUPPORTED_EXCHANGE(bvecf32)
UNSUPPORTED_COMPARISONS(bvecf32)
UNSUPPORTED(bvecf32_operator_jaccard)
UNSUPPORTED(bvecf32_operator_and)
UNSUPPORTED(bvecf32_operator_or)
UNSUPPORTED(bvecf32_operator_xor)
UNSUPPORTED(bvecf32_subscript)

UNSUPPORTED_EXCHANGE(veci8)
UNSUPPORTED_COMPARISONS(veci8)
UNSUPPORTED(veci8_operator_add)
UNSUPPORTED(veci8_operator_minus)
UNSUPPORTED(veci8_operator_mul)
UNSUPPORTED(veci8_normalize)
UNSUPPORTED(veci8_subscript)

UNSUPPORTED(vecf32_operator_mul)
UNSUPPORTED(vecf32_normalize)
UNSUPPORTED(vecf32_subscript)
UNSUPPORTED_AGGREGATES(vecf32)

UNSUPPORTED(vecf16_operator_mul)
UNSUPPORTED(vecf16_normalize)
UNSUPPORTED(vecf16_subscript)

UNSUPPORTED(binarize)
UNSUPPORTED(to_svector)
UNSUPPORTED(to_veci8)
UNSUPPORTED(text2vec_openai)
UNSUPPORTED(alter_vector_index)
#endif
