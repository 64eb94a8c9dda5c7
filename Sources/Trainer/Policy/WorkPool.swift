import CKernels
import ModelFiles
import Synchronization

/// The trainer's threads. What runs on them must not depend on how many there are.
@safe final class WorkPool {
  let threads: OpaquePointer
  /// How many they are.
  let count: Int

  /// - Throws: ``TrainerError`` when the system refuses threads.
  init(threads count: Int) throws(TrainerError) {
    guard let pool = unsafe tk_pool_create(count) else {
      throw TrainerError(
        .resources, place: "threads", found: "the system refused to start \(count) threads",
        expected: "\(count) threads", advice: "Ask for fewer with --threads.")
    }
    unsafe threads = pool
    self.count = count
  }

  deinit { unsafe tk_pool_destroy(threads) }

  /// Runs `body(0) ... body(chunks - 1)` on the pool and returns when all are done. Bodies run at the same
  /// time: each must write to memory of its own.
  func run(_ chunks: Int, _ body: (Int) -> Void) {
    withoutActuallyEscaping(body) { escapable in
      var work = Work(body: escapable)
      unsafe withUnsafeMutablePointer(to: &work) { pointer in
        unsafe tk_pool_run(
          threads, chunks,
          { context, chunk in
            guard let work = unsafe context?.assumingMemoryBound(to: Work.self) else { return }
            unsafe work.pointee.body(chunk)
          }, pointer)
      }
    }
  }

  /// Runs `body` over `0..<count` in pieces of `size`; the pieces do not depend on the number of threads.
  func run(count: Int, inPiecesOf size: Int, _ body: (Range<Int>) -> Void) {
    run((count + size - 1) / size) { chunk in
      body(chunk * size..<min((chunk + 1) * size, count))
    }
  }
}

private struct Work {
  let body: (Int) -> Void
}

/// Float32 memory of a fixed size, aligned for vectors.
///
/// The bytes are ``ModelFiles/OwnedBytes``, so that tensors, and through them the sampler, can read them in place.
/// They change only in the optimiser's step, while nobody samples.
@safe final class FloatMemory: @unchecked Sendable {
  nonisolated(unsafe) let pointer: UnsafeMutablePointer<Float>
  let count: Int
  let bytes: OwnedBytes

  /// `count` floats, all zero.
  init(_ count: Int) {
    self.count = count
    var start: UnsafeMutableRawPointer?
    bytes = unsafe OwnedBytes(
      byteCount: max(count, 16) * 4,
      unsafelyFilledBy: { (target: UnsafeMutableRawBufferPointer) in
        unsafe start = target.baseAddress
        unsafe target.initializeMemory(as: UInt8.self, repeating: 0)
      })
    guard let start = unsafe start else { preconditionFailure("memory has an address") }
    unsafe pointer = start.bindMemory(to: Float.self, capacity: max(count, 16))
  }

  func clear() { unsafe pointer.update(repeating: 0, count: count) }

  func isFinite(_ range: Range<Int>) -> Bool {
    for i in range where unsafe !pointer[i].isFinite { return false }
    return true
  }

  /// The square root of the sum of squares, in double precision and one order.
  var norm: Double { unsafe tk_square_sum(pointer, count).squareRoot() }
}

/// Float32 scratch that grows when asked for more and is reused otherwise.
@safe final class Scratch {
  private var memory = FloatMemory(0)

  /// Room for `count` floats; what it held before is lost when it grows.
  @unsafe func reserve(_ count: Int) -> UnsafeMutablePointer<Float> {
    if count > memory.count { memory = FloatMemory(count) }
    return unsafe memory.pointer
  }

  var byteCount: Int { memory.count * 4 }
}

/// Scratch for bodies that run at the same time: each takes one and gives it back, so that memory is touched for the
/// first time only once.
@safe final class SharedScratch: Sendable {
  private let free = Mutex<[FloatMemory]>([])

  /// Calls `body` with room for `count` floats of unknown content.
  @unsafe func use(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
    var memory = free.withLock { $0.popLast() } ?? FloatMemory(0)
    if memory.count < count { memory = FloatMemory(count) }
    unsafe body(memory.pointer)
    free.withLock { $0.append(memory) }
  }
}
