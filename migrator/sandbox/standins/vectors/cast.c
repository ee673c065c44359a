/* Casts. None of them enforces a dimension: neither does pgvecto.rs since 0.1.12. */
#include "value.h"
#include "vectors.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(_vectors_cast_array_to_vecf32_wrapper);
Datum
_vectors_cast_array_to_vecf32_wrapper(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	Vector	   *vector;

	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("pgvecto.rs: a vector has no NULL elements")));
	check_dimension_count(count);
	vector = new_vector(KIND_VECF32, count);
	memcpy(vector->single, ARR_DATA_PTR(array), sizeof(float) * count);
	PG_RETURN_POINTER(vector);
}

PG_FUNCTION_INFO_V1(_vectors_cast_vecf32_to_array_wrapper);
Datum
_vectors_cast_vecf32_to_array_wrapper(PG_FUNCTION_ARGS)
{
	Vector	   *vector = VECTOR_ARGUMENT(0);
	Size		header = ARR_OVERHEAD_NONULLS(1);
	Size		size = header + sizeof(float) * vector->dimensions;
	ArrayType  *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->dataoffset = 0;
	array->elemtype = FLOAT4OID;
	ARR_DIMS(array)[0] = vector->dimensions;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), vector->single, sizeof(float) * vector->dimensions);
	PG_RETURN_ARRAYTYPE_P(array);
}

static Vector *
change_kind(const Vector *vector, Kind from, Kind to)
{
	Vector	   *result = new_vector(to, vector->dimensions);

	for (int i = 0; i < vector->dimensions; i++)
		set_element(result, to, i, element(vector, from, i));
	return result;
}

PG_FUNCTION_INFO_V1(_vectors_cast_vecf32_to_vecf16_wrapper);
Datum
_vectors_cast_vecf32_to_vecf16_wrapper(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(change_kind(VECTOR_ARGUMENT(0), KIND_VECF32, KIND_VECF16));
}

#if !BEFORE_0_3
PG_FUNCTION_INFO_V1(_vectors_cast_vecf16_to_vecf32_wrapper);
Datum
_vectors_cast_vecf16_to_vecf32_wrapper(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(change_kind(VECTOR_ARGUMENT(0), KIND_VECF16, KIND_VECF32));
}
#endif
