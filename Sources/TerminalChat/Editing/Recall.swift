/// Walks through earlier messages, and keeps the one that was begun before.
struct Recall {
  private(set) var entries: [String]
  private var place: Int
  private var draft = ""

  init(_ entries: [String]) {
    self.entries = entries
    place = entries.count
  }

  /// Notes a message that was sent, and begins at the end again.
  mutating func add(_ entry: String) {
    if entries.last != entry { entries.append(entry) }
    rewind()
  }

  /// Begins at the end again.
  mutating func rewind() {
    place = entries.count
    draft = ""
  }

  /// The message before the one that is shown; nil if there is none.
  mutating func back(from text: String) -> String? {
    guard place > 0 else { return nil }
    if place == entries.count { draft = text }
    place -= 1
    return entries[place]
  }

  /// The message behind the one that is shown, in the end the one that was begun; nil behind that.
  mutating func forward() -> String? {
    guard place < entries.count else { return nil }
    place += 1
    return place < entries.count ? entries[place] : draft
  }
}
