/*
 * Stand-in for VectorChord: what is known about the indexed column and its values.
 */
#include "vchord.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* pgvector's layout of vector and halfvec, as far as it is the same. */
typedef struct VectorHeader
{
	int32		vl_len_;
	uint16		dimension;
	uint16		unused;
} VectorHeader;

/* Support function 1 of each of our operator classes returns its name. */
static char *
opclass_name(Relation index)
{
	FmgrInfo   *support = index_getprocinfo(index, 1, 1);

	return TextDatumGetCString(FunctionCall0Coll(support, InvalidOid));
}

uint32
column_dimension(Relation index)
{
	int32		typmod = TupleDescAttr(RelationGetDescr(index), 0)->atttypmod;

	if (typmod < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("Dimensions type modifier of a vector column is needed for building the index.")));
	return typmod;
}

/* Bytes per element, 0 where the values are not pgvector's vector or halfvec. */
int
element_width(Relation index)
{
	char	   *name = opclass_name(index);

	if (strstr(name, "maxsim") != NULL)
		return 0;
	if (strncmp(name, "vector_", 7) == 0)
		return sizeof(float);
	if (strncmp(name, "halfvec_", 8) == 0)
		return sizeof(uint16);
	return 0;
}

bool
is_l2(Relation index)
{
	return strstr(opclass_name(index), "_l2_") != NULL;
}

static void
assert_equal(uint32 left, uint32 right)
{
	if (left != right)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("assertion `left == right` failed\n  left: %u\n right: %u", left, right)));
}

/*
 * From 1.0.0 a value must be exactly what pgvector writes; earlier versions read over bytes 6-7.
 * Only the first bytes are fetched, so this is cheap for values that are stored out of line.
 */
void
check_header(Datum value, int width)
{
	VectorHeader *vector;

	if (!SINCE(10000) || width == 0)
		return;
	vector = (VectorHeader *) PG_DETOAST_DATUM_SLICE(value, 0, sizeof(VectorHeader) - VARHDRSZ);
	assert_equal(vector->unused, 0);
	assert_equal(toast_raw_datum_size(value), sizeof(VectorHeader) + width * vector->dimension);
}

/* Read the whole value, as an index has to, so that one that cannot be read is noticed. */
void
check_value(Datum value, int width, uint32 dimension)
{
	VectorHeader *vector = (VectorHeader *) PG_DETOAST_DATUM(value);

	if (width == 0)
		return;
	check_header(PointerGetDatum(vector), width);
	if (vector->dimension != dimension)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %u dimensions, not %u", dimension, vector->dimension)));
}
