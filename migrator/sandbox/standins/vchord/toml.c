/*
 * Stand-in for VectorChord: as much of TOML as index options are written in. Comments, tables,
 * dotted keys, booleans, numbers, one-line strings, arrays of integers and inline tables.
 */
#include "toml.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "vchord.h"

typedef struct Parser
{
	const char *text;
	const char *at;
	char	   *table;			/* path of the table that keys belong to, "" at the top */
	List	   *items;
} Parser;

static void parse_value(Parser *parser, TomlItem *item);

/* The message shows the line with the fault and marks the place under it. */
void
toml_fail(const char *text, int offset, int carets, const char *complaint)
{
	int			line = 1;
	int			start = 0;
	int			length;
	char	   *number;
	StringInfoData marks;

	for (int i = 0; i < offset; i++)
		if (text[i] == '\n')
		{
			line++;
			start = i + 1;
		}
	length = strcspn(text + start, "\n");
	number = psprintf("%d", line);
	initStringInfo(&marks);
	appendStringInfoSpaces(&marks, offset - start);
	for (int i = 0; i < Max(1, Min(carets, length - (offset - start))); i++)
		appendStringInfoChar(&marks, '^');
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("failed to parse options: TOML parse error at line %d, column %d\n%*s |\n%s | %.*s\n%*s | %s\n%s\n",
					line, offset - start + 1, (int) strlen(number), "", number, length, text + start,
					(int) strlen(number), "", marks.data, complaint)));
}

static void
fail_here(Parser *parser, const char *complaint)
{
	toml_fail(parser->text, parser->at - parser->text, 1, complaint);
}

static void
skip_spaces(Parser *parser)
{
	while (*parser->at == ' ' || *parser->at == '\t')
		parser->at++;
}

/* Spaces, line ends and comments: what may stand between statements and inside arrays. */
static void
skip_blank(Parser *parser)
{
	for (;;)
	{
		skip_spaces(parser);
		if (*parser->at == '#')
			parser->at += strcspn(parser->at, "\n");
		else if (*parser->at == '\n' || *parser->at == '\r')
			parser->at++;
		else
			return;
	}
}

static bool
take(Parser *parser, char wanted)
{
	if (*parser->at != wanted)
		return false;
	parser->at++;
	return true;
}

static void
expect(Parser *parser, char wanted, const char *complaint)
{
	if (!take(parser, wanted))
		fail_here(parser, complaint);
}

static char *
parse_quoted(Parser *parser)
{
	char		quote = *parser->at++;
	const char *start = parser->at;

	while (*parser->at != quote)
	{
		if (*parser->at == '\0' || *parser->at == '\n')
			fail_here(parser, "invalid basic string");
		parser->at++;
	}
	return pnstrdup(start, parser->at++ - start);
}

static char *
parse_key_part(Parser *parser)
{
	const char *start = parser->at;

	if (*start == '"' || *start == '\'')
		return parse_quoted(parser);
	while (isalnum((unsigned char) *parser->at) || *parser->at == '_' || *parser->at == '-')
		parser->at++;
	if (parser->at == start)
		fail_here(parser, "invalid key");
	return pnstrdup(start, parser->at - start);
}

static char *
join(const char *left, const char *right)
{
	return left[0] == '\0' ? pstrdup(right) : psprintf("%s.%s", left, right);
}

static char *
parse_key(Parser *parser)
{
	char	   *key = parse_key_part(parser);

	for (;;)
	{
		skip_spaces(parser);
		if (!take(parser, '.'))
			return key;
		skip_spaces(parser);
		key = join(key, parse_key_part(parser));
	}
}

static TomlItem *
add_item(Parser *parser, const char *key, int offset)
{
	TomlItem   *item = palloc0(sizeof(TomlItem));

	item->path = join(parser->table, key);
	item->kind = TOML_TABLE;
	item->offset = offset;
	parser->items = lappend(parser->items, item);
	return item;
}

static void
parse_number(Parser *parser, TomlItem *item)
{
	char		digits[64];
	char	   *end;
	int			length = 0;

	while (isalnum((unsigned char) *parser->at) || (*parser->at != '\0' && strchr("+-._", *parser->at) != NULL))
	{
		if (*parser->at != '_' && length < (int) sizeof(digits) - 1)
			digits[length++] = *parser->at;
		parser->at++;
	}
	digits[length] = '\0';
	item->kind = TOML_INTEGER;
	item->integer = strtoll(digits, &end, 0);
	if (length > 0 && *end != '\0')
	{
		item->kind = TOML_FLOAT;
		(void) strtod(digits, &end);
	}
	if (length == 0 || *end != '\0')
	{
		parser->at -= length;
		fail_here(parser, "invalid value");
	}
}

static void
parse_array(Parser *parser, TomlItem *item)
{
	parser->at++;
	item->kind = TOML_ARRAY;
	for (;;)
	{
		TomlItem	element = {0};

		skip_blank(parser);
		if (take(parser, ']'))
			return;
		if (item->count == TOML_MAX_ELEMENTS)
			fail_here(parser, "too many elements");
		parse_value(parser, &element);
		item->elements[item->count++] = element.integer;
		skip_blank(parser);
		if (*parser->at != ']')
			expect(parser, ',', "invalid array\nexpected `]`");
	}
}

static void
parse_pair(Parser *parser)
{
	int			offset = parser->at - parser->text;
	char	   *key = parse_key(parser);

	expect(parser, '=', SINCE(500) ? "key with no value, expected `=`" : "expected `.`, `=`");
	skip_spaces(parser);
	parse_value(parser, add_item(parser, key, offset));
}

static void
parse_inline_table(Parser *parser, TomlItem *item)
{
	char	   *outer = parser->table;

	parser->at++;
	parser->table = item->path;
	skip_spaces(parser);
	while (!take(parser, '}'))
	{
		parse_pair(parser);
		skip_spaces(parser);
		if (*parser->at != '}')
			expect(parser, ',', "invalid inline table\nexpected `}`");
		skip_spaces(parser);
	}
	parser->table = outer;
	item->kind = TOML_TABLE;
}

static bool
accept_word(Parser *parser, const char *word)
{
	if (strncmp(parser->at, word, strlen(word)) != 0)
		return false;
	parser->at += strlen(word);
	return true;
}

static void
parse_value(Parser *parser, TomlItem *item)
{
	bool		yes = accept_word(parser, "true");

	if (yes || accept_word(parser, "false"))
	{
		item->kind = TOML_BOOLEAN;
		item->integer = yes;
	}
	else if (*parser->at == '"' || *parser->at == '\'')
	{
		item->kind = TOML_STRING;
		(void) parse_quoted(parser);
	}
	else if (*parser->at == '[')
		parse_array(parser, item);
	else if (*parser->at == '{' && item->path != NULL)
		parse_inline_table(parser, item);
	else
		parse_number(parser, item);
}

static void
parse_table_header(Parser *parser)
{
	int			offset = parser->at++ - parser->text;
	char	   *key;

	skip_spaces(parser);
	key = parse_key(parser);
	expect(parser, ']', "invalid table header\nexpected `.`, `]`");
	parser->table = "";
	parser->table = add_item(parser, key, offset)->path;
}

List *
toml_parse(const char *text)
{
	Parser		parser = {.text = text, .at = text, .table = "", .items = NIL};

	for (skip_blank(&parser); *parser.at != '\0'; skip_blank(&parser))
	{
		if (*parser.at == '[')
			parse_table_header(&parser);
		else
			parse_pair(&parser);
		skip_spaces(&parser);
		if (*parser.at != '\0' && strchr("\r\n#", *parser.at) == NULL)
			fail_here(&parser, "expected newline, `#`");
	}
	return parser.items;
}
