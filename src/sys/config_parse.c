/*
  YAML text to a tree, by the events of libyaml, so that every node knows its line and column.

  ParseStream reads the stream; ParseNode, ParseList and ParseMap call each other for nested
  values. YAML that makes job files ambiguous (anchors, aliases, tags, several documents, duplicate
  keys) is refused by Next() and CheckKey(). On an error each function frees its event and leaves
  the partial tree to the caller, who frees it.
*/
#include "config_private.h"
#include <string.h>
#include <yaml.h>

/* Most levels of nesting, against a stack overflow by hostile input */
enum { MAX_DEPTH = 64 };

/* Parser of libyaml, the name for messages, and the text, [length] */
typedef struct {
  yaml_parser_t yaml;
  const char   *file, *text;
  size_t        length;
} Parser;

/* MeritTextIsNull - Is a plain scalar one of YAML's words for nothing? Not collective. */
bool MeritTextIsNull(const char text[], size_t length)
{
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};

  for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
    if (strlen(words[i]) == length && !memcmp(words[i], text, length)) return true;
  return false;
}

/* Raise an error at a line and column that count from 0, as those of libyaml do */
static PetscErrorCode ErrorAt(const Parser *p, size_t line, size_t column, const char *what, const char *more)
{
  struct _p_MeritNode at = {.file = p->file, .line = (int32_t)line + 1, .column = (int32_t)column + 1};

  /* A flag has no lines */
  if (p->file == merit_command_line) at.line = at.column = 0;
  return MeritNodeError(&at, "%s%s", what, more);
}

/* The same at a mark of libyaml */
static PetscErrorCode ErrorMark(const Parser *p, yaml_mark_t mark, const char *what) { return ErrorAt(p, mark.line, mark.column, what, ""); }

/* Column of a tab in the indentation of a line (from 0), or -1 */
static int TabInIndentation(const Parser *p, size_t line)
{
  const char *at = p->text, *end = p->text + p->length;

  for (size_t l = 0; l < line && at; l++) {
    at = memchr(at, '\n', (size_t)(end - at));
    if (at) at++;
  }
  for (int column = 0; at && at + column < end; column++) {
    if (at[column] == '\t') return column;
    if (at[column] != ' ') break;
  }
  return -1;
}

/* libyaml cannot go on: raise its message with line and column. A tab in the indentation gets a
   message of its own, since it is the usual cause. */
static PetscErrorCode SyntaxError(const Parser *p)
{
  const yaml_parser_t *y    = &p->yaml;
  size_t               line = y->problem_mark.line, column = y->problem_mark.column;
  int                  tab;

  if (y->error == YAML_MEMORY_ERROR)
    return PetscError(PETSC_COMM_SELF, __LINE__, "SyntaxError", __FILE__, PETSC_ERR_MEM, PETSC_ERROR_INITIAL, "reading %s", p->file);
  if (y->error == YAML_READER_ERROR) {
    /* The reader of libyaml gives an offset only: lines and columns are counted here */
    line = column = 0;
    for (size_t i = 0; i < y->problem_offset && i < p->length; i++) {
      column++;
      if (p->text[i] == '\n') line++, column = 0;
    }
    return ErrorAt(p, line, column, "not UTF-8 text: ", y->problem);
  }
  tab = TabInIndentation(p, line);
  if (tab >= 0) return ErrorAt(p, line, (size_t)tab, "a tab in the indentation; indent with blanks", "");
  return ErrorAt(p, line, column, "not YAML: ", y->problem ? y->problem : "syntax error");
}

/* Next event of the stream; an anchor, alias or tag is a USAGE error */
static PetscErrorCode Next(Parser *p, yaml_event_t *event)
{
  const yaml_char_t *anchor = NULL, *tag = NULL;

  if (!yaml_parser_parse(&p->yaml, event)) return SyntaxError(p);
  if (event->type == YAML_SCALAR_EVENT) anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
  if (event->type == YAML_SEQUENCE_START_EVENT) anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
  if (event->type == YAML_MAPPING_START_EVENT) anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
  if (event->type == YAML_ALIAS_EVENT || anchor) {
    const yaml_mark_t mark = event->start_mark;

    yaml_event_delete(event);
    return ErrorMark(p, mark, "anchors (&) and aliases (*) are not allowed; quote the text if it begins with one of these");
  }
  if (tag) {
    const yaml_mark_t mark = event->start_mark;

    yaml_event_delete(event);
    return ErrorMark(p, mark, "tags (!) are not allowed; quote the text if it begins with one");
  }
  return PETSC_SUCCESS;
}

static PetscErrorCode ParseNode(Parser *p, const yaml_event_t *event, int depth, MeritNode *node);

/* Items of a list up to its end; a partial child belongs to the list also after an error */
static PetscErrorCode ParseList(Parser *p, int depth, MeritNode list)
{
  PetscFunctionBegin;
  for (;;) {
    yaml_event_t   event;
    MeritNode      child = NULL;
    PetscErrorCode code;

    PetscCall(Next(p, &event));
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&event);
      PetscFunctionReturn(PETSC_SUCCESS);
    }
    code = ParseNode(p, &event, depth, &child);
    yaml_event_delete(&event);
    if (child) PetscCall(MeritNodeAppend(list, NULL, child));
    PetscCall(code);
  }
}

/* A key must be a scalar, not empty, and not yet in the map */
static PetscErrorCode CheckKey(Parser *p, MeritNode map, const yaml_event_t *event)
{
  const char *key;

  if (event->type != YAML_SCALAR_EVENT) return ErrorMark(p, event->start_mark, "a key must be a word, not a list or map");
  key = (const char *)event->data.scalar.value;
  if (!key[0]) return ErrorMark(p, event->start_mark, "a key is missing before the colon");
  for (int32_t i = 0; i < map->n; i++)
    if (!strcmp(map->key[i], key)) {
      struct _p_MeritNode at = {.file = p->file, .line = (int32_t)event->start_mark.line + 1, .column = (int32_t)event->start_mark.column + 1};

      if (p->file == merit_command_line) at.line = at.column = 0;
      return MeritNodeError(&at, "duplicate key %s (first value in line %d)", key, map->child[i]->line);
    }
  return PETSC_SUCCESS;
}

/* Key and value; errors about the key itself later point to key_line and key_column */
static PetscErrorCode ParsePair(Parser *p, const yaml_event_t *key, int depth, MeritNode map)
{
  yaml_event_t   event;
  MeritNode      child = NULL;
  PetscErrorCode code;

  PetscFunctionBegin;
  PetscCall(CheckKey(p, map, key));
  PetscCall(Next(p, &event));
  code = ParseNode(p, &event, depth, &child);
  yaml_event_delete(&event);
  if (child && p->file != merit_command_line) {
    child->key_line   = (int32_t)key->start_mark.line + 1;
    child->key_column = (int32_t)key->start_mark.column + 1;
    if (child->kind == MERIT_NODE_NULL) child->line = child->key_line, child->column = child->key_column;
  }
  if (child) PetscCall(MeritNodeAppend(map, (const char *)key->data.scalar.value, child));
  PetscFunctionReturn(code);
}

/* Pairs of a map up to its end */
static PetscErrorCode ParseMap(Parser *p, int depth, MeritNode map)
{
  PetscFunctionBegin;
  for (;;) {
    yaml_event_t   event;
    PetscErrorCode code;
    bool           end;

    PetscCall(Next(p, &event));
    end  = event.type == YAML_MAPPING_END_EVENT;
    code = end ? PETSC_SUCCESS : ParsePair(p, &event, depth, map);
    yaml_event_delete(&event);
    PetscCall(code);
    if (end) PetscFunctionReturn(PETSC_SUCCESS);
  }
}

/* Node that begins with an event. After an error *node may hold what was read so far; the caller
   owns it. */
static PetscErrorCode ParseNode(Parser *p, const yaml_event_t *event, int depth, MeritNode *node)
{
  const bool    flag   = p->file == merit_command_line;
  const int32_t line   = flag ? 0 : (int32_t)event->start_mark.line + 1;
  const int32_t column = flag ? 0 : (int32_t)event->start_mark.column + 1;

  PetscFunctionBegin;
  if (depth > MAX_DEPTH) PetscFunctionReturn(ErrorMark(p, event->start_mark, "nested too deeply"));
  if (event->type == YAML_SCALAR_EVENT) {
    const char  *text   = (const char *)event->data.scalar.value;
    const size_t length = event->data.scalar.length;
    const bool   quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const bool   null   = !quoted && MeritTextIsNull(text, length);

    if (memchr(text, 0, length)) PetscFunctionReturn(ErrorMark(p, event->start_mark, "a zero byte in the text"));
    PetscCall(MeritNodeCreate(null ? MERIT_NODE_NULL : MERIT_NODE_SCALAR, p->file, line, column, null ? NULL : text, length, node));
    (*node)->quoted = quoted;
  } else if (event->type == YAML_SEQUENCE_START_EVENT) {
    PetscCall(MeritNodeCreate(MERIT_NODE_LIST, p->file, line, column, NULL, 0, node));
    PetscCall(ParseList(p, depth + 1, *node));
  } else {
    PetscCall(MeritNodeCreate(MERIT_NODE_MAP, p->file, line, column, NULL, 0, node));
    PetscCall(ParseMap(p, depth + 1, *node));
  }
  PetscFunctionReturn(PETSC_SUCCESS);
}

/* All events of a stream, which may have one document or none (a NULL node) */
static PetscErrorCode ParseStream(Parser *p, MeritNode *node)
{
  bool document = false;

  PetscFunctionBegin;
  for (;;) {
    yaml_event_t      event;
    yaml_event_type_t type;
    yaml_mark_t       mark;
    PetscErrorCode    code = PETSC_SUCCESS;

    PetscCall(Next(p, &event));
    type = event.type;
    mark = event.start_mark;
    if (type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) code = ParseNode(p, &event, 0, node);
    yaml_event_delete(&event);
    PetscCall(code);
    if (type == YAML_STREAM_END_EVENT) break;
    if (type != YAML_DOCUMENT_START_EVENT) continue;
    if (document) PetscFunctionReturn(ErrorMark(p, mark, "a second YAML document (---); only one is allowed"));
    document = true;
  }
  if (!*node) PetscCall(MeritNodeCreate(MERIT_NODE_NULL, p->file, 1, 1, NULL, 0, node));
  PetscFunctionReturn(PETSC_SUCCESS);
}

/*@
  MeritNodeParse - Read one YAML document; what is wrong is a USAGE error with line and column.

  Not collective. `file` is kept by address in every node, so it must live as long as they do.
@*/
PetscErrorCode MeritNodeParse(const char file[], const char text[], size_t length, MeritNode *node)
{
  Parser         p = {.file = file, .text = text, .length = length};
  PetscErrorCode code;

  PetscFunctionBegin;
  *node = NULL;
  PetscCheck(yaml_parser_initialize(&p.yaml), PETSC_COMM_SELF, PETSC_ERR_MEM, "YAML parser");
  yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text, length);
  yaml_parser_set_encoding(&p.yaml, YAML_UTF8_ENCODING);
  code = ParseStream(&p, node);
  yaml_parser_delete(&p.yaml);
  if (code) PetscCall(MeritNodeFree(node));
  PetscFunctionReturn(code);
}
