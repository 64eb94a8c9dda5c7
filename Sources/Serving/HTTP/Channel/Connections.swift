#if Server
  import NIOCore
  import Support

  /// The open connections.
  final class Connections: Sendable {
    /// What becomes of a new connection.
    enum Entry {
      /// It is served.
      case served
      /// There are too many: it may ask for the server's health, and is told to come back for all else.
      case extra
      /// There are far too many.
      case refused
    }

    private struct Unused: Sendable {
      let channel: ObjectIdentifier
      let number: UInt64
      let since: NIODeadline
    }

    private struct State: Sendable {
      var channels: [ObjectIdentifier: (channel: any Channel, number: UInt64)] = [:]
      /// Connections that never sent a byte, the oldest first, and some that have by now.
      var unused = CircularBuffer<Unused>()
      var isUnused: Set<UInt64> = []
      var lastNumber: UInt64 = 0
      var busy = 0
      var bodyBytes = 0
      var isClosing = false
      var lastNote: NIODeadline?
    }
    private let state = Locked(State())

    /// How long a connection without a byte is left alone although others want its place.
    private static let unusedTime = TimeAmount.seconds(1)
    /// How long the log is silent after a line on full tables.
    private static let noteTime = TimeAmount.seconds(60)

    /// Requests that are being answered.
    var busy: Int { state.withLock { $0.busy } }
    /// Connections that are open.
    var count: Int { state.withLock { $0.channels.count } }
    /// Bytes of requests' bodies that are held.
    var bodyBytes: Int { state.withLock { $0.bodyBytes } }
    /// Whether connections end with the answer at hand.
    var isClosing: Bool { state.withLock { $0.isClosing } }

    func beginClosing() { state.withLock { $0.isClosing = true } }
    func beginAnswer() { state.withLock { $0.busy += 1 } }
    func endAnswer() { state.withLock { $0.busy -= 1 } }

    /// Counts bytes of a body; returns false, and counts nothing, where they would be too many.
    func hold(_ bytes: Int, limit: Int) -> Bool {
      state.withLock { state in
        guard state.bodyBytes + bytes <= limit else { return false }
        state.bodyBytes += bytes
        return true
      }
    }

    func release(_ bytes: Int) { state.withLock { $0.bodyBytes -= bytes } }

    /// Adds a connection. Where there are too many, the one that has been silent for longest since it was opened makes
    /// room.
    func add(_ channel: any Channel, limit: Int, extra: Int) -> Entry {
      let (entry, silent) = state.withLock { state -> (Entry, (any Channel)?) in
        var silent: (any Channel)?
        if state.channels.count >= limit { silent = takeSilent(&state) }
        guard state.channels.count < limit + extra else { return (.refused, silent) }
        let entry = state.channels.count < limit ? Entry.served : .extra
        state.lastNumber += 1
        state.channels[ObjectIdentifier(channel)] = (channel, state.lastNumber)
        state.isUnused.insert(state.lastNumber)
        state.unused.append(
          Unused(channel: ObjectIdentifier(channel), number: state.lastNumber, since: .now()))
        return (entry, silent)
      }
      silent?.close(promise: nil)
      return entry
    }

    private func takeSilent(_ state: inout State) -> (any Channel)? {
      while let oldest = state.unused.first {
        if state.isUnused.contains(oldest.number), oldest.since > .now() - Self.unusedTime { return nil }
        state.unused.removeFirst()
        guard state.isUnused.remove(oldest.number) != nil else { continue }
        return state.channels.removeValue(forKey: oldest.channel)?.channel
      }
      return nil
    }

    /// Notes that a connection has sent something.
    func use(_ channel: any Channel) {
      state.withLock { state in
        guard let number = state.channels[ObjectIdentifier(channel)]?.number else { return }
        state.isUnused.remove(number)
        // What has gone from the front of the line is dropped as others come.
        while let first = state.unused.first, !state.isUnused.contains(first.number) {
          state.unused.removeFirst()
        }
      }
    }

    func remove(_ channel: any Channel) {
      state.withLock { state in
        if let old = state.channels.removeValue(forKey: ObjectIdentifier(channel)) {
          state.isUnused.remove(old.number)
        }
      }
    }

    /// Whether the log has been silent on full tables for long enough.
    func mayNote() -> Bool {
      state.withLock { state in
        if let last = state.lastNote, last > .now() - Self.noteTime { return false }
        state.lastNote = .now()
        return true
      }
    }

    func closeAll() async {
      let channels = state.withLock { $0.channels.values.map(\.channel) }
      for channel in channels { try? await channel.close() }
    }
  }
#endif
