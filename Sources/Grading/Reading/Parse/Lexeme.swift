/// A number as written, without its separators.
struct NumberLiteral: Equatable {
  var integer: String
  /// The digits behind the point; nil without a point.
  var fraction: String?
  /// The power of ten of scientific notation.
  var exponent = 0
  /// The repeating digits, as in 0.1\overline{6}.
  var repeating: String?
  /// Whether "…" follows digits that do not repeat.
  var isTruncated = false
}

/// A piece of a mathematical text.
struct Lexeme: Equatable {
  enum Kind: Equatable {
    case number(NumberLiteral)
    /// A run of letters.
    case word(String)
    /// A LaTeX command without its backslash; environments are "begin pmatrix" and "end pmatrix".
    case command(String)
    /// The content of \text{} and its like.
    case text(String)
    /// One ASCII character that is neither letter, digit nor blank.
    case sign(Unicode.Scalar)
    /// A sign or code of money, by its name in the table of units.
    case currency(String)
    case setOpen, setClose
    case rowBreak
  }
  var kind: Kind
  /// Whether a blank stands before it.
  var isSpaced: Bool
}
