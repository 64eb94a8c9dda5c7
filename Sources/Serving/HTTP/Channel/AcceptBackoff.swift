#if Server
  import NIOCore

  #if canImport(Darwin)
    import Darwin
  #elseif canImport(Musl)
    import Musl
  #else
    import Glibc
  #endif

  /// Pauses before further connections are accepted when the system has no descriptor or memory for them. Without a
  /// pause the event loop would ask again at once, for ever.
  final class AcceptBackoff: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(200)
    private let note: @Sendable (Int32) -> Void

    /// - Parameter note: gets the system's error number at each pause.
    init(note: @escaping @Sendable (Int32) -> Void) { self.note = note }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      guard let error = error as? IOError, Self.isPassing(error.errnoCode) else {
        return context.fireErrorCaught(error)
      }
      note(error.errnoCode)
      let channel = context.channel
      channel.setOption(.autoRead, value: false).whenComplete { _ in
        channel.eventLoop.scheduleTask(in: Self.pause) { channel.setOption(.autoRead, value: true) }
      }
    }

    private static func isPassing(_ code: Int32) -> Bool { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) }
  }
#endif
