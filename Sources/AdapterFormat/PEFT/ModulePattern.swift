import CRegex

/// A regular expression over module paths, as PEFT's `rank_pattern`, `alpha_pattern` and `target_modules` use them.
///
/// RE2 matches it, in time linear in the path and in bounded memory. It matches exactly the paths that Python's `re`
/// matches: ``RE2Spelling`` translates what the two spell differently, and refuses what RE2 lacks (look-around,
/// back-references, flags). Paths must hold no line feed, because Python's `$` also matches before a final one.
package struct ModulePattern: Sendable {
  /// The part of a pattern that is not supported.
  package struct Unsupported: Error {
    package let reason: String
  }

  /// How a pattern meets a path.
  package enum Mode: Sendable {
    /// `re.fullmatch(pattern, path)`.
    case whole
    /// `re.match("(.*\.)?(pattern)$", path)`: the end of a path, after a dot or from its beginning.
    case suffix
  }

  /// The most steps of one pattern, its repetitions written out: what RE2 makes of them.
  static let maximumCost = 20_000
  /// The most steps of all patterns of a configuration.
  static let maximumTotalCost = 1 << 21
  /// The most steps for comparing all patterns of a configuration with all paths.
  static let maximumWork = 1 << 32

  private let compiled: CompiledPattern
  /// Steps of the pattern.
  let cost: Int
  /// Steps a byte of a path: one for a name, which RE2 never has to try in several ways.
  let matchingCost: Int

  /// Compiles a pattern of at most 2,000 characters.
  ///
  /// - Parameter memory: the most bytes for the compiled pattern and for matching.
  package init(_ text: String, _ mode: Mode, memory: Int = 1 << 20) throws(Unsupported) {
    var translation = RE2Spelling(scalars: Array(text.unicodeScalars))
    guard translation.scalars.count <= 2000 else { throw Unsupported(reason: "longer than 2,000 characters") }
    let spelled = try translation.spelled()
    cost = translation.cost
    matchingCost = translation.isName ? 1 : max(1, cost)
    compiled = try CompiledPattern(mode == .suffix ? "(?:.*\\.)?(?:" + spelled + ")" : spelled, memory)
  }

  /// Whether the path matches.
  package func matches(_ path: String) -> Bool { compiled.matches(path) }
}

/// A pattern in RE2's compiled form.
@safe private final class CompiledPattern: Sendable {
  private nonisolated(unsafe) let pattern: OpaquePointer

  init(_ text: String, _ memory: Int) throws(ModulePattern.Unsupported) {
    var reason = [CChar](repeating: 0, count: 200)
    var text = text
    let made = text.withUTF8 { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) {
        unsafe tr_pattern_new($0.baseAddress, $0.count, memory, &reason, reason.count)
      }
    }
    guard let made = unsafe made else {
      let bytes = reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw ModulePattern.Unsupported(reason: String(decoding: bytes, as: UTF8.self))
    }
    unsafe pattern = made
  }

  deinit { unsafe tr_pattern_free(pattern) }

  func matches(_ path: String) -> Bool {
    var path = path
    return path.withUTF8 { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) {
        unsafe tr_pattern_matches(pattern, $0.baseAddress, $0.count)
      }
    }
  }
}
