import Foundation
import ModelFiles

/// What a run has taken up to a checkpoint, from the `state.json` beside the adapter.
///
/// An adapter's own file tells its operations, which its shapes and data decide. Seconds and dollars differ between
/// machines, and the file does not.
public struct RunCosts: Sendable, Equatable {
  /// Seconds in steps.
  public let seconds: Double
  /// Tokens that were sampled, or read with supervised fine-tuning.
  public let tokens: Int
  /// Floating-point operations, counted from shapes; nil for a run from before they were counted.
  public let flops: Double?
  /// Nil where no price was given.
  public let dollars: Double?

  /// Nil if the adapter's folder is no checkpoint of a run.
  public init?(beside adapter: String) {
    let path = NSString(string: adapter).deletingLastPathComponent + "/state.json"
    guard let state = (try? JSON.parse(path: path))?.object.flatMap({ RunState($0) }) else { return nil }
    (seconds, tokens, flops, dollars) = (state.spentSeconds, state.tokens, state.flops, state.dollars)
  }

  /// For people.
  public var text: String {
    Self.parts(seconds: seconds, tokens: tokens, flops: flops, dollars: dollars).joined(separator: ", ")
  }

  /// - Returns: what is known of it, in words.
  static func parts(seconds: Double, tokens: Int, flops: Double?, dollars: Double?) -> [String] {
    [
      seconds < 600
        ? String(format: "%.0f s in steps", seconds) : String(format: "%.1f h in steps", seconds / 3600),
      String(format: "%.2f million tokens", Double(tokens) / 1e6),
      flops.map { String(format: "%.3g floating-point operations", $0) },
      dollars.map { $0 < 0.995 ? String(format: "$%.4f", $0) : String(format: "$%.2f", $0) },
    ].compactMap(\.self)
  }
}
