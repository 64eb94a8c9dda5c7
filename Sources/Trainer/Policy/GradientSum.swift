/// How the processes of a run share a step and add up its gradient.
///
/// All processes hold all completions of a step; each learns from its share of the micro-batches. Terms are added in
/// the order of the processes, so that all get the same bits and take the same step.
public protocol GradientSum: Sendable {
  /// The micro-batches of a step that this process learns from. Each belongs to exactly one process.
  func share(ofMicroBatches count: Int) -> Range<Int>
  /// Replaces a gradient by its sum over all processes. The memory is valid during the call.
  ///
  /// - Throws: when a process is gone. The step is then not taken.
  @unsafe func sum(gradient: UnsafeMutableBufferPointer<Float>) throws
  /// Replaces loss and metrics by their sums over all processes.
  func sum(numbers: inout [Double]) throws
}

/// A run of one process.
public struct SingleProcess: GradientSum {
  /// Makes the only process.
  public init() {}
  /// All micro-batches.
  public func share(ofMicroBatches count: Int) -> Range<Int> { 0..<count }
  /// Leaves the gradient as it is.
  @unsafe public func sum(gradient: UnsafeMutableBufferPointer<Float>) {}
  /// Leaves the numbers as they are.
  public func sum(numbers: inout [Double]) {}
}
