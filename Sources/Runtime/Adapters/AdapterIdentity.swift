import Synchronization

/// A number that identifies the content of an attached adapter. A process never uses one twice.
///
/// Cached keys and values are found by it. Attaching a file again gives another number, so that results of the file's
/// earlier content never pass for results of the present one. No file is hashed for it.
final class AdapterIdentity: Sendable {
  private static let next = Atomic<UInt64>(1)
  private let value = Atomic<UInt64>(0)

  init() { renew() }

  var current: UInt64 { value.load(ordering: .acquiring) }

  /// Takes a new number after the content has changed. No request may use the adapter meanwhile.
  func renew() {
    value.store(Self.next.add(1, ordering: .relaxed).oldValue, ordering: .releasing)
  }
}
