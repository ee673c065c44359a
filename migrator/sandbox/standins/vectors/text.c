/* The text form: "[1, 2, 3]", each number as short as it can be without an exponent; NaN, inf and -inf allowed. */
#include "value.h"
#include "vectors.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"

static void __attribute__((noreturn))
refuse(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("pgvecto.rs: invalid input for a vector: \"%s\"", text)));
}

static const char *
skip_blanks(const char *at)
{
	while (isspace((unsigned char) *at))
		at++;
	return at;
}

/* Counts the elements by their commas, so that the value can be made before they are read. */
static int64
count_elements(const char *text)
{
	int64		commas = 0;

	for (const char *at = text; *at != '\0'; at++)
		commas += *at == ',';
	return commas + 1;
}

static Vector *
parse(const char *text, Kind kind)
{
	const char *at = skip_blanks(text);
	int64		dimensions = count_elements(text);
	Vector	   *vector;

	if (*at++ != '[' || *skip_blanks(at) == ']')
		refuse(text);
	check_dimension_count(dimensions);
	vector = new_vector(kind, dimensions);
	for (int i = 0; i < dimensions; i++)
	{
		char	   *end;

		set_element(vector, kind, i, strtof(at, &end));
		if (end == at)
			refuse(text);
		at = skip_blanks(end);
		if (*at++ != (i + 1 < dimensions ? ',' : ']'))
			refuse(text);
	}
	if (*skip_blanks(at) != '\0')
		refuse(text);
	return vector;
}

/* Appends the digits of a number in scientific form ("1.5e-07") in positional form ("0.00000015"). */
static void
append_positional(StringInfo out, const char *digits, const char *exponent_mark)
{
	int			exponent = atoi(exponent_mark + 1);
	int			point = 1 + exponent;
	int			seen = 0;

	if (*digits == '-')
		appendStringInfoChar(out, *digits++);
	if (point <= 0)
	{
		appendStringInfoString(out, "0.");
		for (int i = point; i < 0; i++)
			appendStringInfoChar(out, '0');
	}
	for (; digits < exponent_mark; digits++)
	{
		if (*digits == '.')
			continue;
		if (seen == point && point > 0)
			appendStringInfoChar(out, '.');
		appendStringInfoChar(out, *digits);
		seen++;
	}
	for (; seen < point; seen++)
		appendStringInfoChar(out, '0');
}

static void
append_number(StringInfo out, float value)
{
	char		shortest[FLOAT_SHORTEST_DECIMAL_LEN];
	char	   *exponent_mark;

	if (isnan(value))
	{
		appendStringInfoString(out, "NaN");
		return;
	}
	if (isinf(value))
	{
		appendStringInfoString(out, value < 0 ? "-inf" : "inf");
		return;
	}
	float_to_shortest_decimal_buf(value, shortest);
	exponent_mark = strchr(shortest, 'e');
	if (exponent_mark == NULL)
		appendStringInfoString(out, shortest);
	else
		append_positional(out, shortest, exponent_mark);
}

static char *
print(const Vector *vector, Kind kind)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (int i = 0; i < vector->dimensions; i++)
	{
		if (i > 0)
			appendStringInfoString(&out, ", ");
		append_number(&out, element(vector, kind, i));
	}
	appendStringInfoChar(&out, ']');
	return out.data;
}

#define TEXT_EXCHANGE(type, kind) \
PG_FUNCTION_INFO_V1(_vectors_##type##_in_wrapper); \
Datum \
_vectors_##type##_in_wrapper(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_POINTER(parse(PG_GETARG_CSTRING(0), kind)); \
} \
PG_FUNCTION_INFO_V1(_vectors_##type##_out_wrapper); \
Datum \
_vectors_##type##_out_wrapper(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_CSTRING(print(VECTOR_ARGUMENT(0), kind)); \
}

TEXT_EXCHANGE(vecf32, KIND_VECF32)
TEXT_EXCHANGE(vecf16, KIND_VECF16)
