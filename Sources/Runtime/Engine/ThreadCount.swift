import Support

/// How many threads compute.
public struct ThreadCount: Sendable, Equatable {
  /// The numbers of threads that are accepted.
  public static let range = 1...1024

  /// The number of threads, the calling one included.
  public let count: Int

  /// Checks a number of threads. When nil, there are as many as processors that the process may use; on a machine with
  /// fast and slow ones, as many as fast cores.
  ///
  /// - Throws: `RuntimeError.invalidSetting` for a number outside ``range``.
  public init(_ count: Int? = nil) throws(RuntimeError) {
    self.count = count ?? min(Processors().recommendedThreads, Self.range.upperBound)
    guard Self.range.contains(self.count) else {
      throw .invalidSetting(
        name: "threads", found: "\(self.count)",
        expected: "\(Self.range.lowerBound) to \(Self.range.upperBound)")
    }
  }
}
