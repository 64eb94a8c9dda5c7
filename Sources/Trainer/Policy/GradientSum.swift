/// How the processes of a run share a step and add up what they found.
///
/// All processes hold all completions of a step; each learns from its share of the micro-batches. The sums must come out
/// with the same bits in every process, so that all take the same step: terms are added in the order of the processes.
public protocol GradientSum: Sendable {
  /// The micro-batches of a step that this process learns from; every one belongs to one process.
  func share(ofMicroBatches count: Int) -> Range<Int>
  /// Replaces a gradient, which is valid during the call, by the sum over all processes.
  ///
  /// - Throws: when a process is gone; the step is then not made.
  @unsafe func sum(gradient: UnsafeMutableBufferPointer<Float>) throws
  /// Replaces numbers beside the gradient (loss and metrics) by their sums.
  func sum(numbers: inout [Double]) throws
}

/// One process, which learns from everything.
public struct SingleProcess: GradientSum {
  /// Nothing to be set.
  public init() {}
  /// All of them.
  public func share(ofMicroBatches count: Int) -> Range<Int> { 0..<count }
  /// Leaves it: the sum over one.
  @unsafe public func sum(gradient: UnsafeMutableBufferPointer<Float>) {}
  /// Leaves them.
  public func sum(numbers: inout [Double]) {}
}
