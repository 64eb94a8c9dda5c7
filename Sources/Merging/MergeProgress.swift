import Support
import Synchronization

/// How far a merge is.
public enum MergeProgress: Sendable, Equatable {
  /// Weights are being written: so many bytes of so many.
  case writing(done: Int, total: Int)
  /// The weights are on the disk, and the merged form is compared with the attached one.
  case verifying
}

/// How long a merge took, and what it needed.
public struct MergeCost: Sendable {
  /// Bytes of weights written, without those of an earlier run that was killed.
  public var byteCount = 0
  /// Until the weights were on the disk.
  public var writing = Duration.zero
  /// From then to the end of comparing logits.
  public var verifying = Duration.zero
  /// The most private memory seen while weights were written and logits compared; nil if the system does not tell.
  public var privateByteCount: Int?
  /// Files that an earlier run had finished.
  public var resumedFiles = 0
}

/// Adds up what threads have written, and remembers the most memory.
final class MergeMeter: Sendable {
  private let state: Mutex<(done: Int, memory: Int?)>
  private let total: Int
  private let onProgress: @Sendable (MergeProgress) -> Void

  init(total: Int, done: Int, _ onProgress: @escaping @Sendable (MergeProgress) -> Void) {
    self.total = total
    self.onProgress = onProgress
    state = Mutex((done, nil))
  }

  var privateByteCount: Int? { state.withLock { $0.memory } }

  func add(_ count: Int) {
    let memory = ProcessMemory.privateBytes
    let done = state.withLock { state in
      state.done += count
      if let memory { state.memory = max(memory, state.memory ?? 0) }
      return state.done
    }
    onProgress(.writing(done: done, total: total))
  }
}
