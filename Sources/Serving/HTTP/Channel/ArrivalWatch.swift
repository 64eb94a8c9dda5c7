#if Server
  import NIOCore

  /// Tells a connection of every piece that arrives, before it is read as HTTP: a request's time begins with its first
  /// byte.
  final class ArrivalWatch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let connection: ServerConnection

    init(_ connection: ServerConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      connection.arrived(unwrapInboundIn(data))
      context.fireChannelRead(data)
    }
  }
#endif
