#define _GNU_SOURCE 1  // locale_t

#include "cedit.h"

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

_Static_assert(sizeof(wchar_t) == sizeof(uint32_t), "libedit's characters are scalars of Unicode");

// The part of libedit's interface that is used here. Its numbers are the same in every release.
typedef struct editline EditLine;
typedef struct history_wide HistoryW;
typedef struct {
  int number;
  const wchar_t *text;
} HistEventW;
typedef struct {
  const wchar_t *buffer, *cursor, *lastchar;
} LineInfoW;
enum {
  SET_EDITOR = 2,
  SET_BIND = 4,
  SET_TERMINAL = 8,
  SET_FUNCTION = 9,
  SET_HISTORY = 10,
  SET_READER = 13,
  SET_OWNER = 14,
  SET_MODE = 16,
  SHOW = 20,
  SET_PROMPT = 21,
  HISTORY_SIZE = 1,
  HISTORY_ENTER = 10,
  DID_NOTHING = 0,
  DID_CHANGE = 4,
  DID_FAIL = 6,
};

static struct {
  int is_loaded;
  EditLine *(*init)(const char *name, FILE *in, FILE *out, FILE *err);
  void (*end)(EditLine *line);
  int (*set)(EditLine *line, int what, ...);
  int (*wide_set)(EditLine *line, int what, ...);
  int (*get)(EditLine *line, int what, ...);
  const wchar_t *(*gets)(EditLine *line, int *count);
  const LineInfoW *(*info)(EditLine *line);
  int (*insert)(EditLine *line, const wchar_t *text);
  void (*delete)(EditLine *line, int count);
  int (*move)(EditLine *line, int by);
  void (*push)(EditLine *line, const wchar_t *keys);
  void (*resize)(EditLine *line);
  HistoryW *(*history_init)(void);
  void (*history_end)(HistoryW *history);
  int (*history)(HistoryW *history, HistEventW *event, int what, ...);
} lib;

static pthread_once_t once = PTHREAD_ONCE_INIT;

// A function's address as a function: ISO C has no cast from one to the other.
#define FIND(field, name)                       \
  do {                                          \
    void *symbol = dlsym(library, name);        \
    if (!symbol) return;                        \
    memcpy(&lib.field, &symbol, sizeof symbol); \
  } while (0)

static void load(void) {
  static const char *const names[] = {
#if defined(__APPLE__)
      "/usr/lib/libedit.3.dylib",
#else
      "libedit.so.2",  // Debian and its like
      "libedit.so.0",
#endif
  };
  void *library = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++)
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  FIND(init, "el_init");
  FIND(end, "el_end");
  FIND(set, "el_set");
  FIND(wide_set, "el_wset");
  FIND(get, "el_get");
  FIND(gets, "el_wgets");
  FIND(info, "el_wline");
  FIND(insert, "el_winsertstr");
  FIND(delete, "el_deletestr");
  FIND(move, "el_cursor");
  FIND(push, "el_wpush");
  FIND(resize, "el_resize");
  FIND(history_init, "history_winit");
  FIND(history_end, "history_wend");
  FIND(history, "history_w");
  lib.is_loaded = 1;
}

struct ce_editor {
  EditLine *line;
  HistoryW *history;
  FILE *output;
  locale_t locale;
  char *prompt;
  struct ce_owner owner;
};

static ce_editor *owner_of(EditLine *line) {
  void *editor = NULL;
  lib.get(line, SET_OWNER, &editor);
  return editor;
}

static char *prompt(EditLine *line) { return owner_of(line)->prompt; }

static int read_one(EditLine *line, wchar_t *character) {
  ce_editor *editor = owner_of(line);
  uint32_t scalar = 0;
  if (!editor->owner.read(editor->owner.context, &scalar)) return -1;
  *character = (wchar_t)scalar;
  return 1;
}

// Sequences that no keyboard sends: through them a key of ours ends in a function of libedit.
#define FINISH "\033[9000~"
#define SEARCH "\033[9001~"
#define WIDE_(text) L##text
#define WIDE(text) WIDE_(text)

static unsigned char press(EditLine *line, enum ce_key key) {
  ce_editor *editor = owner_of(line);
  switch (editor->owner.press(editor->owner.context, key)) {
    case CE_NOTHING: return DID_NOTHING;
    case CE_CHANGED: return DID_CHANGE;
    case CE_DONE:
      ce_move(editor, 1 << 30);
      lib.push(line, WIDE(FINISH));
      return DID_CHANGE;
    case CE_SEARCHES: lib.push(line, WIDE(SEARCH)); return DID_NOTHING;
    case CE_REFUSED: break;
  }
  return DID_FAIL;
}

#define KEY(name, key) \
  static unsigned char name(EditLine *line, wint_t last) { return (void)last, press(line, key); }
KEY(on_enter, CE_ENTER)
KEY(on_new_line, CE_NEW_LINE)
KEY(on_paste, CE_PASTE)
KEY(on_up, CE_UP)
KEY(on_down, CE_DOWN)
KEY(on_search, CE_SEARCH)

static const struct {
  const char *name;
  unsigned char (*function)(EditLine *line, wint_t last);
} functions[] = {
    {"tina-enter", on_enter}, {"tina-new-line", on_new_line}, {"tina-paste", on_paste},
    {"tina-up", on_up},       {"tina-down", on_down},         {"tina-search", on_search},
};

// What terminals send, whatever terminfo says of them.
static const char *const bindings[][2] = {
    {"^M", "tina-enter"}, {"^J", "tina-enter"},
    {"\033^M", "tina-new-line"}, {"\033^J", "tina-new-line"},
    {"\033[200~", "tina-paste"}, {"^R", "tina-search"},
    {"^P", "tina-up"}, {"\033[A", "tina-up"}, {"\033OA", "tina-up"},
    {"^N", "tina-down"}, {"\033[B", "tina-down"}, {"\033OB", "tina-down"},
    {"\033[C", "ed-next-char"}, {"\033OC", "ed-next-char"},
    {"\033[D", "ed-prev-char"}, {"\033OD", "ed-prev-char"},
    {"\033[1;5C", "em-next-word"}, {"\033[1;3C", "em-next-word"},
    {"\033[1;5D", "ed-prev-word"}, {"\033[1;3D", "ed-prev-word"},
    {"\033[H", "ed-move-to-beg"}, {"\033OH", "ed-move-to-beg"}, {"\033[1~", "ed-move-to-beg"},
    {"\033[7~", "ed-move-to-beg"}, {"\033[F", "ed-move-to-end"}, {"\033OF", "ed-move-to-end"},
    {"\033[4~", "ed-move-to-end"}, {"\033[8~", "ed-move-to-end"}, {"\033[3~", "ed-delete-next-char"},
    {"^L", "ed-clear-screen"}, {"^W", "ed-delete-prev-word"}, {"^U", "vi-kill-line-prev"},
    {FINISH, "ed-newline"}, {SEARCH, "em-inc-search-prev"},
};

// libedit asks the locale what a character is and how it is written. Whatever the user's says, terminals speak UTF-8.
static locale_t utf8(void) {
  static const char *const names[] = {"C.UTF-8", "en_US.UTF-8", "UTF-8"};
  locale_t locale = (locale_t)0;
  for (size_t i = 0; i < sizeof names / sizeof *names && !locale; i++)
    locale = newlocale(LC_CTYPE_MASK, names[i], (locale_t)0);
  return locale;
}

ce_editor *ce_open(int output, const char *shown, struct ce_owner owner) {
  pthread_once(&once, load);
  if (!lib.is_loaded) return NULL;
  ce_editor *editor = calloc(1, sizeof *editor);
  if (!editor) return NULL;
  editor->owner = owner;
  editor->prompt = strdup(shown);
  editor->locale = utf8();
  int copy = dup(output);
  editor->output = copy < 0 ? NULL : fdopen(copy, "w");
  editor->history = lib.history_init();
  locale_t before = editor->locale ? uselocale(editor->locale) : (locale_t)0;
  if (editor->output && editor->history && editor->prompt)
    editor->line = lib.init("tina", stdin, editor->output, editor->output);
  if (editor->line) {
    HistEventW event;
    lib.history(editor->history, &event, HISTORY_SIZE, 1000);
    lib.set(editor->line, SET_OWNER, editor);
    lib.set(editor->line, SET_PROMPT, prompt, '\1');
    lib.set(editor->line, SET_EDITOR, "emacs");
    // Between texts the terminal shows nothing by itself and gives what is typed at once.
    lib.set(editor->line, SET_TERMINAL, "-x", "-echo", "-icanon", NULL);
    lib.wide_set(editor->line, SET_HISTORY, lib.history, editor->history);
    lib.wide_set(editor->line, SET_READER, read_one);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
      lib.set(editor->line, SET_FUNCTION, functions[i].name, "of tina", functions[i].function);
    for (size_t i = 0; i < sizeof bindings / sizeof *bindings; i++)
      lib.set(editor->line, SET_BIND, bindings[i][0], bindings[i][1], NULL);
  }
  if (before) uselocale(before);
  if (editor->line) return editor;
  ce_close(editor);
  return NULL;
}

void ce_close(ce_editor *editor) {
  if (editor->line) lib.end(editor->line);
  if (editor->history) lib.history_end(editor->history);
  if (editor->output) fclose(editor->output);
  if (editor->locale) freelocale(editor->locale);
  free(editor->prompt);
  free(editor);
}

int ce_edit(ce_editor *editor, void (*take)(void *context, const uint32_t *text, size_t count)) {
  locale_t before = editor->locale ? uselocale(editor->locale) : (locale_t)0;
  int count = 0;
  const wchar_t *text = lib.gets(editor->line, &count);
  if (before) uselocale(before);
  if (!text || count <= 0) return 0;
  // The line's end is libedit's.
  if (text[count - 1] == L'\n') count--;
  take(editor->owner.context, (const uint32_t *)text, (size_t)count);
  return 1;
}

const uint32_t *ce_text(ce_editor *editor, size_t *count, size_t *cursor) {
  const LineInfoW *info = lib.info(editor->line);
  *count = (size_t)(info->lastchar - info->buffer);
  *cursor = (size_t)(info->cursor - info->buffer);
  return (const uint32_t *)info->buffer;
}

int ce_insert(ce_editor *editor, const uint32_t *text) {
  return lib.insert(editor->line, (const wchar_t *)text) == 0;
}

void ce_move(ce_editor *editor, int by) {
  size_t count, cursor;
  ce_text(editor, &count, &cursor);
  long to = (long)cursor + by;
  to = to < 0 ? 0 : to > (long)count ? (long)count : to;
  lib.move(editor->line, (int)(to - (long)cursor));
}

void ce_clear(ce_editor *editor) {
  size_t count, cursor;
  ce_text(editor, &count, &cursor);
  ce_move(editor, 1 << 30);
  if (count) lib.delete(editor->line, (int)count);
}

void ce_remember(ce_editor *editor, const uint32_t *text) {
  HistEventW event;
  lib.history(editor->history, &event, HISTORY_ENTER, (const wchar_t *)text);
}

void ce_show(ce_editor *editor) {
  lib.set(editor->line, SET_MODE, 0);
  lib.set(editor->line, SET_MODE, 1);
  lib.resize(editor->line);
  lib.set(editor->line, SHOW);
}

static volatile sig_atomic_t changes = -1;

static void on_change(int number) {
  (void)number;
  int before = errno;
  const char byte = CE_CHANGE;
  if (changes >= 0 && write(changes, &byte, 1) < 0) {}  // a full pipe wakes as well
  errno = before;
}

void ce_watch(int descriptor) {
  changes = descriptor;
  struct sigaction action = {.sa_handler = on_change, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGWINCH, &action, NULL);
  sigaction(SIGCONT, &action, NULL);
}
