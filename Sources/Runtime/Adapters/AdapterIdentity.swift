import Synchronization

/// A number that stands for the content of an attached adapter, never used twice in a process.
///
/// Keys and values are kept under it. Attaching the same file again gives another number, so that nothing
/// computed with a file's earlier content can be taken for its present one, whatever its name; and nothing
/// has to be read or hashed when an adapter is attached.
final class AdapterIdentity: Sendable {
  private static let next = Atomic<UInt64>(1)
  private let value = Atomic<UInt64>(0)

  init() { renew() }

  var current: UInt64 { value.load(ordering: .acquiring) }

  /// After the content has changed, while no request uses it.
  func renew() {
    value.store(Self.next.add(1, ordering: .relaxed).oldValue, ordering: .releasing)
  }
}
