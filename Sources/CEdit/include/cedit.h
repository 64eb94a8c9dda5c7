// A line editor on a terminal, through the system's libedit.
//
// libedit is opened at its first use, not linked: only a conversation needs it, building needs no package, and its file
// is called otherwise from one system to the next.
#ifndef CEDIT_H
#define CEDIT_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Keys whose meaning is the owner's.
enum ce_key { CE_ENTER, CE_NEW_LINE, CE_PASTE, CE_UP, CE_DOWN, CE_SEARCH };

/// What a key did.
enum ce_effect {
  CE_NOTHING,
  /// The text or the cursor changed.
  CE_CHANGED,
  /// The text is done.
  CE_DONE,
  /// Search the history, as libedit does.
  CE_SEARCHES,
  /// The key means nothing here.
  CE_REFUSED,
};

/// Who owns an editor.
struct ce_owner {
  void *context;
  /// Waits for the next character of the keyboard; 0 gives up the text.
  int (*read)(void *context, uint32_t *scalar);
  enum ce_effect (*press)(void *context, enum ce_key key);
};

/// An editor. One thread at a time uses it.
typedef struct ce_editor ce_editor;

/// Makes an editor of standard input that shows itself on `output`, a descriptor; null if libedit was not found.
/// `prompt` has '\1' around what takes no room.
ce_editor *_Nullable ce_open(int output, const char *prompt, struct ce_owner owner);
void ce_close(ce_editor *editor);

/// Edits a text, which begins empty; 1 when it is done, 0 when it was given up. Then the text is empty again.
int ce_edit(ce_editor *editor, void (*take)(void *context, const uint32_t *text, size_t count));

/// The text, as scalars of Unicode, until the next change.
const uint32_t *ce_text(ce_editor *editor, size_t *count, size_t *cursor);
/// Inserts a text, which ends with 0, at the cursor; 0 if there is no memory.
int ce_insert(ce_editor *editor, const uint32_t *text);
/// Moves the cursor; there is no way beyond the ends.
void ce_move(ce_editor *editor, int by);
/// Removes the text.
void ce_clear(ce_editor *editor);

/// Puts a text into the history that Ctrl-R searches.
void ce_remember(ce_editor *editor, const uint32_t *text);
/// Shows the text again: the terminal has another size, or was another program's for a while.
void ce_show(ce_editor *editor);

/// What is written when the terminal changes.
enum { CE_CHANGE = 2 };
/// Writes a byte to `descriptor` whenever the terminal gets another size, or this program goes on after a stop.
void ce_watch(int descriptor);

#pragma clang assume_nonnull end

#endif
