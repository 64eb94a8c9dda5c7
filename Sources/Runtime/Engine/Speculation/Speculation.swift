/// Whether tokens are guessed ahead and checked in one pass. Guesses change how long an answer takes, and nothing else:
/// a guess is kept if and only if it is the token that is drawn at its place.
public struct Speculation: Sendable, Equatable {
  /// How many tokens are guessed.
  public enum Amount: Sendable, Equatable {
    /// None.
    case off
    /// As many as pay, by what steps cost on this machine and by how often guesses were right.
    case auto
    /// Up to this many for each completion, wherever something can be guessed; 1 to ``Speculation/mostTokens``.
    case tokens(Int)
  }

  /// The most tokens that are guessed for a completion in a step.
  public static let mostTokens = 15

  /// How many tokens are guessed.
  public var amount: Amount
  /// The most bytes of finished completions that are kept by prompt, from which later completions of the same prompt
  /// are guessed; 0 keeps none. What is kept crosses adapters: it is for engines that serve one user.
  public var historyBytes: Int

  /// Guesses `amount` tokens and keeps no finished completions, unless told otherwise.
  public init(_ amount: Amount = .auto, historyBytes: Int = 0) {
    if case .tokens(let count) = amount {
      self.amount = count < 1 ? .off : .tokens(min(count, Self.mostTokens))
    } else {
      self.amount = amount
    }
    self.historyBytes = max(historyBytes, 0)
  }

  /// Guesses nothing.
  public static let off = Speculation(.off)

  /// Guesses where it pays, from earlier completions of the same prompt too: for engines that serve one user.
  public static let remembering = Speculation(.auto, historyBytes: 64 << 20)
}

extension Speculation.Amount: CustomStringConvertible {
  /// Reads `off`, `auto` or a number; nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "off": self = .off
    case "auto": self = .auto
    default:
      guard let count = Int(text), (1...Speculation.mostTokens).contains(count) else { return nil }
      self = .tokens(count)
    }
  }

  /// As it is written.
  public var description: String {
    switch self {
    case .off: "off"
    case .auto: "auto"
    case .tokens(let count): "\(count)"
    }
  }
}
