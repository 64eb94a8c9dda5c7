import Support

/// The form in which a completion's thinking ends.
public enum ThinkingFormat {
  /// Whether the closing tag stands on a line of its own, once: Tina's format reward.
  public static func isKept(by text: String) -> Bool { text.occurrences(of: "\n</think>\n") == 1 }
}
