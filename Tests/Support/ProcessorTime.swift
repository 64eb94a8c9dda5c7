import Foundation

/// The seconds of processor time that this thread spends on `body`. A test's wall-clock time is that of all tests that
/// run beside it, so it bounds nothing.
package func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
  func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
  let began = now()
  try body()
  return now() - began
}
