#if Server
  import NIOCore
  import NIOHTTP1

  /// One connection: collects a request, has it answered, and goes on with the next.
  ///
  /// It keeps reading while it answers, so that it notices a client's disconnect. The connection closes after an answer
  /// during which the client sent its next request: HTTP allows it, and no request has to be kept.
  final class ServerConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
      case idle
      case receiving(HTTPRequestHead, [UInt8])
      case answering
      /// Waits for the client to close, and throws away what it still sends.
      case closing
    }

    private let service: Service
    private let settings: HTTPServer.Settings
    let connections: Connections
    private var state = State.idle
    var task: Task<Void, Never>?
    var deadline: Scheduled<Void>?
    private var keepsAlive = true
    /// Bytes of the body at hand.
    private var held = 0
    /// Whether the client may still be sending a body that was refused.
    private var isUnread = false

    init(_ service: Service, _ settings: HTTPServer.Settings, _ connections: Connections) {
      self.service = service
      self.settings = settings
      self.connections = connections
    }

    func channelActive(context: ChannelHandlerContext) {
      guard connections.add(context.channel, limit: settings.maxConnections) else {
        return context.close(promise: nil)
      }
      arm(context, settings.idleSeconds)
    }

    // MARK: Receiving

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch (unwrapInboundIn(data), state) {
      case (.head(let head), .idle): begin(head, context)
      case (.head, .answering): keepsAlive = false
      case (.body(let buffer), .receiving(let head, var body)):
        guard body.count + buffer.readableBytes <= settings.maxBodyBytes else {
          return refuse(tooLarge, head, context)
        }
        guard connections.hold(buffer.readableBytes, limit: settings.maxTotalBodyBytes) else {
          return refuse(
            .busy(retryAfter: 5, "too much is being received at once. Try again later."), head, context)
        }
        held += buffer.readableBytes
        state = .idle  // so that the array has one owner
        body.append(contentsOf: buffer.readableBytesView)
        state = .receiving(head, body)
      case (.end, .receiving(let head, let body)): answer(head, body, context)
      default: break
      }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
      arm(context, settings.receiveSeconds)
      keepsAlive = head.isKeepAlive && head.version == .http1_1
      let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
      guard length <= settings.maxBodyBytes else { return refuse(tooLarge, head, context) }
      state = .receiving(head, [])
      if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
        let go = HTTPResponseHead(version: head.version, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
      }
    }

    private var tooLarge: ServingError {
      ServingError(
        413, "invalid_request_error", code: "request_too_large",
        "the body is larger than \(settings.maxBodyBytes) bytes, the most that this server takes (--max-body)."
      )
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      switch state {
      case .idle, .receiving:
        guard let error = error as? HTTPParserError else { return context.close(promise: nil) }
        let isLarge = error == .headerOverflow
        refuse(
          ServingError(
            isLarge ? 431 : 400, "invalid_request_error", code: "malformed_http",
            isLarge ? "the headers are too large." : "found no well-formed HTTP request (\(error))."),
          HTTPRequestHead(version: .http1_1, method: .RAW(value: "?"), uri: "?"), context)
      case .answering: keepsAlive = false
      case .closing: context.close(promise: nil)
      }
    }

    // MARK: Answering

    private func answer(_ head: HTTPRequestHead, _ body: [UInt8], _ context: ChannelHandlerContext) {
      let request = ServerRequest(
        method: head.method.rawValue, target: head.uri, headers: head.headers.map { ($0.name, $0.value) },
        body: body)
      if connections.isClosing { keepsAlive = false }
      start(head, context) { [service] in await service.respond(to: request, $0) }
    }

    private func refuse(_ error: ServingError, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
      keepsAlive = false
      isUnread = true
      let method = head.method.rawValue
      start(head, context) { [service] in await service.refuse(error, method: method, $0) }
    }

    private func start(
      _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
      _ body: @escaping @Sendable (ChannelSink) async -> Void
    ) {
      deadline?.cancel()
      state = .answering
      connections.beginAnswer()
      let sink = ChannelSink(
        channel: context.channel, version: head.version, keepsAlive: keepsAlive, isHead: head.method == .HEAD,
        seconds: settings.sendSeconds)
      task = Task { [connections, channel = context.channel] in
        await body(sink)
        connections.endAnswer()
        if !sink.isWhole { channel.close(promise: nil) }
      }
    }

    /// Notices an answer's end as it goes out: the next request may arrive before the task has ended.
    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
      let sent = promise ?? context.eventLoop.makePromise()
      sent.futureResult.assumeIsolated().whenSuccess { [self] in finish(context) }
      context.write(data, promise: sent)
    }

    func letGo() {
      connections.release(held)
      held = 0
    }

    private func finish(_ context: ChannelHandlerContext) {
      task = nil
      letGo()
      if keepsAlive {
        state = .idle
        return arm(context, settings.idleSeconds)
      }
      state = .closing
      guard isUnread else { return context.close(promise: nil) }
      // Closing now would reset the connection, and the client might never see why.
      context.close(mode: .output, promise: nil)
      arm(context, 2)
    }

    /// Closes the connection in so many seconds, unless a request or answer comes first.
    private func arm(_ context: ChannelHandlerContext, _ seconds: Double) {
      deadline?.cancel()
      let channel = context.channel
      deadline = context.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
        channel.close(promise: nil)
      }
    }
  }
#endif
