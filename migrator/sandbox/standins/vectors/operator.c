/* Distances, arithmetic and comparison of vectors of single and half precision. */
#include "value.h"
#include "vectors.h"

#include <math.h>

static void
require_same_dimension(const Vector *left, const Vector *right)
{
	if (left->dimensions != right->dimensions)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("pgvecto.rs: operands have %d and %d dimensions", left->dimensions, right->dimensions)));
}

static float
dot(const Vector *left, const Vector *right, Kind kind)
{
	double		sum = 0;

	for (int i = 0; i < left->dimensions; i++)
		sum += (double) element(left, kind, i) * element(right, kind, i);
	return sum;
}

/* The squared distance: pgvecto.rs takes no root. */
static float
distance_l2(const Vector *left, const Vector *right, Kind kind)
{
	double		sum = 0;

	for (int i = 0; i < left->dimensions; i++)
	{
		double		difference = (double) element(left, kind, i) - element(right, kind, i);

		sum += difference * difference;
	}
	return sum;
}

static float
distance_dot(const Vector *left, const Vector *right, Kind kind)
{
	return -dot(left, right, kind);
}

static float
distance_cosine(const Vector *left, const Vector *right, Kind kind)
{
	double		lengths = (double) dot(left, left, kind) * dot(right, right, kind);

	return 1.0 - dot(left, right, kind) / sqrt(lengths);
}

static int
compare(const Vector *left, const Vector *right, Kind kind)
{
	for (int i = 0; i < left->dimensions; i++)
	{
		float		a = element(left, kind, i);
		float		b = element(right, kind, i);

		if (a != b)
			return a < b ? -1 : 1;
	}
	return 0;
}

static Vector *
combine(const Vector *left, const Vector *right, Kind kind, float sign)
{
	Vector	   *result = new_vector(kind, left->dimensions);

	for (int i = 0; i < left->dimensions; i++)
		set_element(result, kind, i, element(left, kind, i) + sign * element(right, kind, i));
	return result;
}

/* One operator's function: both arguments detoasted and of the same dimension, then the expression. */
#define OPERATOR(type, name, kind, expression) \
PG_FUNCTION_INFO_V1(_vectors_##type##_operator_##name##_wrapper); \
Datum \
_vectors_##type##_operator_##name##_wrapper(PG_FUNCTION_ARGS) \
{ \
	Vector	   *left = VECTOR_ARGUMENT(0); \
	Vector	   *right = VECTOR_ARGUMENT(1); \
	Datum		result; \
\
	require_same_dimension(left, right); \
	result = (expression); \
	PG_FREE_IF_COPY(left, 0); \
	PG_FREE_IF_COPY(right, 1); \
	return result; \
}

#define OPERATORS(type, kind) \
OPERATOR(type, l2, kind, Float4GetDatum(distance_l2(left, right, kind))) \
OPERATOR(type, dot, kind, Float4GetDatum(distance_dot(left, right, kind))) \
OPERATOR(type, cosine, kind, Float4GetDatum(distance_cosine(left, right, kind))) \
OPERATOR(type, add, kind, PointerGetDatum(combine(left, right, kind, 1))) \
OPERATOR(type, minus, kind, PointerGetDatum(combine(left, right, kind, -1))) \
OPERATOR(type, lt, kind, BoolGetDatum(compare(left, right, kind) < 0)) \
OPERATOR(type, lte, kind, BoolGetDatum(compare(left, right, kind) <= 0)) \
OPERATOR(type, eq, kind, BoolGetDatum(compare(left, right, kind) == 0)) \
OPERATOR(type, neq, kind, BoolGetDatum(compare(left, right, kind) != 0)) \
OPERATOR(type, gt, kind, BoolGetDatum(compare(left, right, kind) > 0)) \
OPERATOR(type, gte, kind, BoolGetDatum(compare(left, right, kind) >= 0))

OPERATORS(vecf32, KIND_VECF32)
OPERATORS(vecf16, KIND_VECF16)

#if !BEFORE_0_3
#define MEASURES(type, kind) \
PG_FUNCTION_INFO_V1(_vectors_##type##_dims_wrapper); \
Datum \
_vectors_##type##_dims_wrapper(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_INT32(VECTOR_ARGUMENT(0)->dimensions); \
} \
PG_FUNCTION_INFO_V1(_vectors_##type##_norm_wrapper); \
Datum \
_vectors_##type##_norm_wrapper(PG_FUNCTION_ARGS) \
{ \
	Vector	   *vector = VECTOR_ARGUMENT(0); \
\
	PG_RETURN_FLOAT4(sqrtf(dot(vector, vector, kind))); \
}

MEASURES(vecf32, KIND_VECF32)
MEASURES(vecf16, KIND_VECF16)
#endif
