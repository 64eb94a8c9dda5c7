#if Server
  import NIOCore
  import Support

  /// The open connections.
  final class Connections: Sendable {
    private struct State: Sendable {
      var channels: [ObjectIdentifier: any Channel] = [:]
      var busy = 0
      var bodyBytes = 0
      var isClosing = false
    }
    private let state = Locked(State())

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

    /// Adds a connection; returns false where there would be too many.
    func add(_ channel: any Channel, limit: Int) -> Bool {
      state.withLock { state in
        guard state.channels.count < limit else { return false }
        state.channels[ObjectIdentifier(channel)] = channel
        return true
      }
    }

    func remove(_ channel: any Channel) {
      state.withLock { _ = $0.channels.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    func closeAll() async {
      let channels = state.withLock { Array($0.channels.values) }
      for channel in channels { try? await channel.close() }
    }
  }
#endif
