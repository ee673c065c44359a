/*
 * Stand-in for VectorChord: as much of TOML as index options are written in.
 */
#ifndef STANDIN_TOML_H
#define STANDIN_TOML_H

#include "postgres.h"

#include "nodes/pg_list.h"

typedef enum TomlKind
{
	TOML_BOOLEAN,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_STRING,
	TOML_ARRAY,
	TOML_TABLE
} TomlKind;

#define TOML_MAX_ELEMENTS 64

/* One key with its value. Tables are flattened: the path of "lists" is "build.internal.lists". */
typedef struct TomlItem
{
	char	   *path;
	TomlKind	kind;
	int64		integer;		/* also 0 or 1 for a boolean */
	int			count;			/* elements of an array */
	int64		elements[TOML_MAX_ELEMENTS];
	int			offset;			/* of the key, in bytes */
} TomlItem;

#pragma GCC visibility push(hidden)

/* The document's items in their order, tables included. Fails with XX000, as the genuine parser does. */
extern List *toml_parse(const char *text);
extern void toml_fail(const char *text, int offset, int carets, const char *complaint)
	__attribute__((noreturn));

#pragma GCC visibility pop

#endif
