import CKernels

/// Threads that compute together, the calling one among them. No result depends on how many there are.
@safe package final class WorkPool {
  /// What kernels that run on several threads take.
  package let threads: OpaquePointer
  /// Number of threads.
  package let count: Int

  /// - Throws: `RuntimeError.threadsUnavailable`.
  package init(threads count: Int) throws(RuntimeError) {
    guard let pool = unsafe tk_pool_create(count) else { throw .threadsUnavailable(count: count) }
    unsafe threads = pool
    self.count = count
  }

  deinit { unsafe tk_pool_destroy(threads) }

  /// Runs `body(0) ... body(chunks - 1)` on the threads and returns when all are done. Bodies run at the same time:
  /// each writes to memory of its own.
  package func run(_ chunks: Int, _ body: (Int) -> Void) {
    if chunks == 1 { return body(0) }
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
  package func run(count: Int, inPiecesOf size: Int, _ body: (Range<Int>) -> Void) {
    run((count + size - 1) / size) { chunk in
      body(chunk * size..<min((chunk + 1) * size, count))
    }
  }
}

private struct Work {
  let body: (Int) -> Void
}
