/// The processes that work on one task together; most often there is one.
///
/// All call the same functions in the same order, and each call gives all of them the same. So they decide alike, and
/// what comes out does not depend on how many there are.
package protocol ProcessGroup: Sendable {
  /// The number of processes.
  var count: Int { get }
  /// This one's number, from 0. The first one writes files and speaks to people.
  var rank: Int { get }
  /// Bytes sent to others so far, and seconds in exchanges.
  var traffic: (bytes: Int, seconds: Double) { get }

  /// A process as people know it: "rank 2 of 4 on host".
  func name(of rank: Int) -> String

  /// The bytes that each process gives, in the order of their ranks.
  func gather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// Replaces memory by the first process's.
  @unsafe func spread(_ memory: UnsafeMutableRawBufferPointer) throws

  /// Adds the parts of the first `parts` processes to a sum: one after another, in the order of their ranks.
  ///
  /// Until ``complete(_:)`` each process may hold only a share of the sum.
  @unsafe func add(
    _ part: UnsafeMutableBufferPointer<Float>, parts: Int, to sum: UnsafeMutableBufferPointer<Float>) throws

  /// Gives every process the whole sum.
  @unsafe func complete(_ sum: UnsafeMutableBufferPointer<Float>) throws
}

/// A task of one process.
package struct SingleProcess: ProcessGroup {
  /// Makes the only process.
  package init() {}

  package var count: Int { 1 }
  package var rank: Int { 0 }
  package var traffic: (bytes: Int, seconds: Double) { (0, 0) }

  package func name(of rank: Int) -> String { "this process" }

  /// What was given.
  package func gather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }

  /// Leaves the memory as it is.
  @unsafe package func spread(_ memory: UnsafeMutableRawBufferPointer) {}

  /// Adds the part, as each of several processes' parts is added.
  @unsafe package func add(
    _ part: UnsafeMutableBufferPointer<Float>, parts: Int, to sum: UnsafeMutableBufferPointer<Float>
  ) {
    for i in 0..<min(part.count, sum.count) { unsafe sum[i] += part[i] }
  }

  /// Leaves the sum as it is.
  @unsafe package func complete(_ sum: UnsafeMutableBufferPointer<Float>) {}
}
