import CEdit
import Foundation

/// Reads messages from a terminal: with libedit where it is installed, else line by line.
@safe package final class LineEditor {
  package enum Input: Equatable {
    case message(String)
    /// Ctrl-C, while nothing else was going on.
    case interrupted
    /// A line of which the terminal itself kept only the beginning; without libedit alone.
    case cut
    /// Ctrl-D, or a terminal that is gone.
    case end
  }

  private let keyboard = Keyboard()
  private let history: HistoryFile?
  private let output: Int32
  private let prompt: String
  private var recall = Recall([])
  private var editor: OpaquePointer?
  /// How the message at hand ended, once it is known.
  private var outcome: Input?
  /// A longer text is not set aside for a search: libedit keeps 1,024 characters of it.
  private static let searchLimit = 1000
  /// What a line holds at most in a terminal that edits lines itself.
  private static let canonicalLimit = 4095

  /// Takes over the terminal. ``QuietTerminal/end()`` gives it back.
  ///
  /// - Parameters:
  ///   - output: the terminal's descriptor for writing.
  ///   - isPlain: leaves out libedit.
  package init(history: HistoryFile?, output: Int32, isBold: Bool, isPlain: Bool) {
    self.history = history
    self.output = output
    prompt = isBold ? "\u{1}\u{1B}[1m\u{1}> \u{1}\u{1B}[22m\u{1}" : "> "
    guard !isPlain else { return }
    QuietTerminal.note(output: output)
    let owner = unsafe ce_owner(
      context: Unmanaged.passUnretained(self).toOpaque(),
      read: { context, scalar in
        unsafe LineEditor.of(context).read(scalar)
      },
      press: { context, key in
        unsafe LineEditor.of(context).press(key)
      })
    unsafe editor = ce_open(output, prompt, owner)
    guard let editor = unsafe editor else {
      QuietTerminal.end()
      return
    }
    // Behind libedit, which puts back at its end what it found.
    QuietTerminal.begin()
    recall = Recall(history?.load() ?? [])
    for entry in recall.entries { unsafe withScalars(entry) { unsafe ce_remember(editor, $0) } }
    keyboard.watchTerminal()
  }

  deinit { if let editor = unsafe editor { unsafe ce_close(editor) } }

  /// Whether libedit is at work.
  package var hasEditing: Bool { unsafe editor != nil }

  /// Gives up the message at hand. Any thread may call it.
  package var interrupt: @Sendable () -> Void {
    { [keyboard] in keyboard.wake(.interrupt) }
  }

  /// Keeps what is typed from now on for the next message.
  package func beginAnswer() { if hasEditing { keyboard.collect() } }

  /// - Parameter forgets: throws away what was typed ahead.
  package func endAnswer(forgets: Bool) {
    guard hasEditing else { return }
    keyboard.stopCollecting()
    if forgets { keyboard.forget() }
  }

  /// Waits for the next message.
  package func next() -> Input {
    outcome = nil
    recall.rewind()
    guard let editor = unsafe editor else { return nextPlain() }
    let isDone = unsafe ce_edit(editor) { context, text, count in
      let scalars = unsafe UnsafeBufferPointer(start: text, count: count)
      unsafe LineEditor.of(context).outcome = .message(LineEditor.text(of: unsafe scalars.map { $0 }))
    }
    return isDone == 1 ? outcome ?? .end : outcome == .interrupted ? .interrupted : .end
  }

  /// Notes a message in the history, now and for later.
  package func remember(_ message: String) {
    guard let editor = unsafe editor, !message.isEmpty else { return }
    if recall.entries.last != message { history?.append(message) }
    recall.add(message)
    unsafe withScalars(message) { unsafe ce_remember(editor, $0) }
  }

  // MARK: Called by the editor

  private static func of(_ context: UnsafeMutableRawPointer) -> LineEditor {
    unsafe Unmanaged<LineEditor>.fromOpaque(context).takeUnretainedValue()
  }

  private func read(_ result: UnsafeMutablePointer<UInt32>) -> Int32 {
    while outcome == nil {
      let (scalar, event) = keyboard.nextScalar()
      switch event {
      case .woken(.change): show()
      case .woken(.interrupt): outcome = .interrupted
      case .end: outcome = .end
      case .byte:
        guard let scalar, scalar.value != 0 else { continue }
        unsafe result.pointee = scalar.value
        return 1
      }
    }
    return 0
  }

  private func press(_ key: ce_key) -> ce_effect {
    switch key {
    case CE_ENTER: return TripleQuotes.isOpen(Self.text(of: current.text)) ? insert("\n") : CE_DONE
    case CE_NEW_LINE: return insert("\n")
    case CE_PASTE: return takePaste()
    case CE_SEARCH: return current.text.count > Self.searchLimit ? CE_REFUSED : CE_SEARCHES
    case CE_UP, CE_DOWN: return move(up: key == CE_UP)
    default: return CE_REFUSED
    }
  }

  private func takePaste() -> ce_effect {
    var paste = PastedText()
    while outcome == nil {
      switch keyboard.next() {
      case .byte(let byte): if paste.append(byte) { return insert(paste.text) }
      case .woken(.interrupt): outcome = .interrupted
      case .woken(.change): continue
      case .end: outcome = .end
      }
    }
    return CE_REFUSED
  }

  private func move(up: Bool) -> ce_effect {
    guard let editor = unsafe editor else { return CE_REFUSED }
    let (text, cursor) = current
    let scalars = text.map { Unicode.Scalar($0) ?? "\u{FFFD}" }
    if let place = LineMotion.place(from: cursor, in: scalars, up: up) {
      unsafe ce_move(editor, Int32(clamping: place - cursor))
      return CE_CHANGED
    }
    guard let other = up ? recall.back(from: Self.text(of: text)) : recall.forward() else {
      return CE_REFUSED
    }
    unsafe ce_clear(editor)
    return insert(other)
  }

  // MARK: The text at hand

  private var current: (text: [UInt32], cursor: Int) {
    guard let editor = unsafe editor else { return ([], 0) }
    var (count, cursor) = (0, 0)
    let start = unsafe ce_text(editor, &count, &cursor)
    return (unsafe Array(UnsafeBufferPointer(start: start, count: count)), cursor)
  }

  private func insert(_ text: String) -> ce_effect {
    guard let editor = unsafe editor else { return CE_REFUSED }
    // libedit refuses to insert nothing.
    if text.isEmpty { return CE_CHANGED }
    return unsafe withScalars(text) { unsafe ce_insert(editor, $0) } == 1 ? CE_CHANGED : CE_REFUSED
  }

  private func show() {
    guard let editor = unsafe editor else { return }
    QuietTerminal.remind()
    unsafe ce_show(editor)
  }

  private static func text(of scalars: [UInt32]) -> String {
    var result = String.UnicodeScalarView()
    for value in scalars { result.append(Unicode.Scalar(value) ?? "\u{FFFD}") }
    return String(result)
  }

  private func withScalars<T>(_ text: String, _ body: (UnsafePointer<UInt32>) -> T) -> T {
    let scalars = text.unicodeScalars.map(\.value) + [0]
    return unsafe scalars.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }

  // MARK: Without libedit

  private func nextPlain() -> Input {
    var message = ""
    repeat {
      _ = unsafe write(output, "> ", 2)
      var line: [UInt8] = []
      reading: while true {
        switch keyboard.next() {
        case .byte(UInt8(ascii: "\n")): break reading
        case .byte(let byte): line.append(byte)
        case .woken(.interrupt): return .interrupted
        case .woken(.change): continue
        case .end:
          if line.isEmpty { return .end }
          break reading
        }
      }
      // The terminal gives no more, and does not say that there was.
      if line.count >= Self.canonicalLimit { return .cut }
      message += (message.isEmpty ? "" : "\n") + String(decoding: line, as: UTF8.self)
    } while TripleQuotes.isOpen(message)
    return .message(message)
  }
}
