/* The layout of values, binary exchange and type modifiers. */
#include "value.h"
#include "vectors.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"

void
check_dimension_count(int64 dimensions)
{
	if (dimensions < 1 || dimensions > MAX_DIMENSIONS)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("pgvecto.rs: a vector has 1 to %d dimensions, not %lld", MAX_DIMENSIONS,
						(long long) dimensions)));
}

/* Returns a vector whose elements and padding are zero. */
Vector *
new_vector(Kind kind, int dimensions)
{
	Size		size = TYPEALIGN(8, HEADER_SIZE + ELEMENT_SIZE(kind) * dimensions);
	Vector	   *vector = palloc0(size);

	SET_VARSIZE(vector, size);
	vector->dimensions = dimensions;
	vector->kind = kind;
	return vector;
}

/* IEEE binary16 by hand: compilers differ in where they keep the conversion. */
float
half_to_float(uint16 half)
{
	uint32		sign = (uint32) (half & 0x8000) << 16;
	uint32		exponent = (half >> 10) & 0x1f;
	uint32		fraction = half & 0x3ff;
	union
	{
		uint32		bits;
		float		value;
	}			result;

	if (exponent == 0)
	{
		result.value = (float) fraction / 16777216.0f;
		result.bits |= sign;
	}
	else if (exponent == 0x1f)
		result.bits = sign | 0x7f800000 | (fraction << 13);
	else
		result.bits = sign | ((exponent + 112) << 23) | (fraction << 13);
	return result.value;
}

/* Rounds to the nearest, ties to even. */
uint16
float_to_half(float value)
{
	union
	{
		float		value;
		uint32		bits;
	}			given = {value};
	uint16		sign = (given.bits >> 16) & 0x8000;
	int			exponent = (int) ((given.bits >> 23) & 0xff) - 112;
	uint32		fraction = given.bits & 0x7fffff;
	int			dropped = 13;
	uint32		kept,
				rest;

	if (exponent == 255 - 112)
		return sign | 0x7c00 | (fraction != 0 ? 0x200 : 0);
	if (exponent >= 0x1f)
		return sign | 0x7c00;
	if (exponent <= 0)
	{
		if (exponent < -10)
			return sign;
		fraction |= 0x800000;
		dropped += 1 - exponent;
		exponent = 0;
	}
	kept = ((uint32) exponent << 10) | (fraction >> dropped);
	rest = fraction & ((1u << dropped) - 1);
	if (rest > (1u << (dropped - 1)) || (rest == (1u << (dropped - 1)) && (kept & 1)))
		kept++;
	return sign | kept;
}

float
element(const Vector *vector, Kind kind, int i)
{
	return kind == KIND_VECF16 ? half_to_float(((const uint16 *) vector->single)[i]) : vector->single[i];
}

void
set_element(Vector *vector, Kind kind, int i, float value)
{
	if (kind == KIND_VECF16)
		((uint16 *) vector->single)[i] = float_to_half(value);
	else
		vector->single[i] = value;
}

#if !BEFORE_0_3
/* Binary form of 0.3: dimensions, then the elements, all little-endian. */
static Datum
to_binary(const Vector *vector, Kind kind)
{
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	appendBinaryStringInfo(&buffer, (const char *) &vector->dimensions, sizeof(uint16));
	appendBinaryStringInfo(&buffer, (const char *) vector->single, vector->dimensions * ELEMENT_SIZE(kind));
	return PointerGetDatum(pq_endtypsend(&buffer));
}

static Datum
from_binary(StringInfo buffer, Kind kind)
{
	uint16		dimensions;
	Vector	   *vector;

	memcpy(&dimensions, pq_getmsgbytes(buffer, sizeof(dimensions)), sizeof(dimensions));
	check_dimension_count(dimensions);
	vector = new_vector(kind, dimensions);
	pq_copymsgbytes(buffer, (char *) vector->single, dimensions * ELEMENT_SIZE(kind));
	return PointerGetDatum(vector);
}

#define BINARY_EXCHANGE(type, kind) \
PG_FUNCTION_INFO_V1(_vectors_##type##_send_wrapper); \
Datum \
_vectors_##type##_send_wrapper(PG_FUNCTION_ARGS) \
{ \
	return to_binary(VECTOR_ARGUMENT(0), kind); \
} \
PG_FUNCTION_INFO_V1(_vectors_##type##_recv_wrapper); \
Datum \
_vectors_##type##_recv_wrapper(PG_FUNCTION_ARGS) \
{ \
	return from_binary((StringInfo) PG_GETARG_POINTER(0), kind); \
}

BINARY_EXCHANGE(vecf32, KIND_VECF32)
BINARY_EXCHANGE(vecf16, KIND_VECF16)
#endif

/* The type modifier is the dimension itself; pgvecto.rs >= 0.1.12 writes it down and never looks at it again. */
static Datum
typmod_in(ArrayType *modifiers, int64 most)
{
	int			count;
	int32	   *numbers = ArrayGetIntegerTypmods(modifiers, &count);

	if (count != 1 || numbers[0] < 1 || numbers[0] > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pgvecto.rs: the modifier of a vector type is one dimension from 1 to %lld",
						(long long) most)));
	return Int32GetDatum(numbers[0]);
}

#define TYPMOD_IN(name, most) \
PG_FUNCTION_INFO_V1(name); \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	return typmod_in(PG_GETARG_ARRAYTYPE_P(0), most); \
}

#if BEFORE_0_3
TYPMOD_IN(_vectors_typmod_in_wrapper, MAX_DIMENSIONS)
#else
TYPMOD_IN(_vectors_typmod_in_65535_wrapper, MAX_DIMENSIONS)
TYPMOD_IN(_vectors_typmod_in_1048575_wrapper, 1048575)
#endif

PG_FUNCTION_INFO_V1(_vectors_typmod_out_wrapper);
Datum
_vectors_typmod_out_wrapper(PG_FUNCTION_ARGS)
{
	int32		modifier = PG_GETARG_INT32(0);

	PG_RETURN_CSTRING(modifier < 0 ? pstrdup("") : psprintf("(%d)", modifier));
}
