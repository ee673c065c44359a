/* A stored vector: little-endian, aligned to 8 bytes, its size rounded up to a multiple of 8. */
#ifndef STANDIN_VECTORS_VALUE_H
#define STANDIN_VECTORS_VALUE_H

#include "postgres.h"

#include "fmgr.h"

typedef enum Kind
{
	KIND_VECF32 = 0,
	KIND_VECF16 = 1,
} Kind;

typedef struct Vector
{
	int32		vl_len_;
	uint16		dimensions;
	uint16		kind;			/* rows of pgvecto.rs <= 0.1.11 hold anything here */
	float		single[FLEXIBLE_ARRAY_MEMBER];	/* in vecf16 the same place holds halves */
} Vector;

#define MAX_DIMENSIONS 65535
#define HEADER_SIZE offsetof(Vector, single)
#define ELEMENT_SIZE(kind) ((kind) == KIND_VECF16 ? sizeof(uint16) : sizeof(float))

/* The detoasted argument. The kind is taken from the function's own type: the stored one may be garbage. */
#define VECTOR_ARGUMENT(n) ((Vector *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n)))

#pragma GCC visibility push(hidden)
extern Vector *new_vector(Kind kind, int dimensions);
extern void check_dimension_count(int64 dimensions);
extern float element(const Vector *vector, Kind kind, int i);
extern void set_element(Vector *vector, Kind kind, int i, float value);
extern float half_to_float(uint16 half);
extern uint16 float_to_half(float value);
#pragma GCC visibility pop

#endif
