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
      case receiving(HTTPRequestHead)
      case answering
      /// Waits for the client to close, and throws away what it still sends.
      case closing
    }

    /// Seconds in which a connection above the limit must have asked.
    private static let extraSeconds = 1.0
    /// Bytes of an adapter that wait for the disk at most, more or less.
    private static let unwrittenLimit = 1 << 20

    private let service: Service
    private let settings: HTTPServer.Settings
    let connections: Connections
    private var context: ChannelHandlerContext?
    private var state = State.idle
    private var body: [UInt8] = []
    var task: Task<Void, Never>?
    var deadline: Scheduled<Void>?
    private var keepsAlive = true
    /// Whether there are too many connections without this one.
    private var isExtra = false
    /// Whether something of the next request has come.
    private var hasArrived = false
    /// Whether the first line of the request has come whole.
    private var hasLine = false
    /// Bytes of the body at hand.
    private var held = 0
    /// An adapter whose bytes are arriving.
    private var upload: ArrivingAdapter?
    private var uploaded = 0
    /// Bytes of it that are not written yet.
    private var unwritten = 0
    /// Whether nothing is read until more of it is written.
    private var isPaused = false
    /// Whether the client may still be sending a body that was refused.
    private var isUnread = false

    init(_ service: Service, _ settings: HTTPServer.Settings, _ connections: Connections) {
      self.service = service
      self.settings = settings
      self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
      switch connections.add(context.channel, limit: settings.maxConnections, extra: DescriptorBudget.extra) {
      case .served: arm(context, settings.idleSeconds)
      case .extra:
        isExtra = true
        arm(context, Self.extraSeconds)
        noteFull()
      case .refused:
        noteFull()
        context.close(promise: nil)
      }
    }

    private func noteFull() {
      guard connections.mayNote() else { return }
      settings.note?(
        "\(settings.maxConnections) connections are open, as many as may be: further ones get status 503")
    }

    // MARK: Receiving

    /// Notes bytes before they are read as HTTP.
    func arrived(_ bytes: ByteBuffer) {
      if !hasLine { hasLine = bytes.readableBytesView.contains(UInt8(ascii: "\n")) }
      if hasArrived { return }
      hasArrived = true
      guard let context, case .idle = state else { return }
      connections.use(context.channel)
      if !isExtra { arm(context, settings.receiveSeconds) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch (unwrapInboundIn(data), state) {
      case (.head(let head), .idle): begin(head, context)
      case (.head, .answering): keepsAlive = false
      case (.body(let buffer), .receiving(let head)): add(buffer, head, context)
      case (.end, .receiving(let head)): answer(head, context)
      default: break
      }
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
      keepsAlive = head.isKeepAlive && head.version == .http1_1 && !isExtra
      let limit = service.uploadLimit(method: head.method.rawValue, target: head.uri)
      do throws(ServingError) {
        try RequestHead.check(
          target: head.uri, headers: head.headers.map { ($0.name, $0.value) },
          maxBodyBytes: limit ?? settings.maxBodyBytes, option: limit == nil ? "--max-body" : "--max-adapter")
        if let limit, !isExtra { try beginUpload(head, limit, context) }
      } catch {
        return refuse(error, head, context)
      }
      state = .receiving(head)
      if head.headers.first(name: "expect")?.isSameIgnoringCase("100-continue") == true {
        let go = HTTPResponseHead(version: head.version, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
      }
    }

    private func add(_ buffer: ByteBuffer, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
      if let upload { return add(buffer, to: upload, head, context) }
      guard body.count + buffer.readableBytes <= settings.maxBodyBytes else {
        return refuse(RequestHead.bodyTooLarge(settings.maxBodyBytes), head, context)
      }
      guard connections.hold(buffer.readableBytes, limit: settings.maxTotalBodyBytes) else {
        return refuse(
          .busy(retryAfter: 5, "too much is being received at once. Try again later."), head, context)
      }
      held += buffer.readableBytes
      body.append(contentsOf: buffer.readableBytesView)
    }

    // MARK: Adapters

    /// Refuses an upload before its bytes come, or makes room for them. It must bring a megabyte a second.
    private func beginUpload(
      _ head: HTTPRequestHead, _ limit: Int, _ context: ChannelHandlerContext
    ) throws(ServingError) {
      upload = try service.beginUpload(Self.request(head))
      uploaded = 0
      let length = head.headers.first(name: "content-length").flatMap { Int($0) } ?? limit
      arm(context, settings.receiveSeconds + Double(length) / 1e6)
    }

    private func add(
      _ buffer: ByteBuffer, to upload: ArrivingAdapter, _ head: HTTPRequestHead,
      _ context: ChannelHandlerContext
    ) {
      let limit = service.uploadLimit(method: head.method.rawValue, target: head.uri) ?? 0
      let count = buffer.readableBytes
      uploaded += count
      guard uploaded <= limit else {
        return refuse(RequestHead.bodyTooLarge(limit, option: "--max-adapter"), head, context)
      }
      unwritten += count
      if unwritten > Self.unwrittenLimit, !isPaused { pause(true, context) }
      let loop = context.eventLoop
      let connection = NIOLoopBound(self, eventLoop: loop)
      upload.append(Array(buffer.readableBytesView)) { error in
        loop.execute { connection.value.wrote(count, error) }
      }
    }

    /// Goes on reading once the disk has what came, or refuses what it can't take.
    private func wrote(_ count: Int, _ error: ServingError?) {
      unwritten -= count
      guard let context else { return }
      if isPaused, unwritten < Self.unwrittenLimit / 2 { pause(false, context) }
      if let error, case .receiving(let head) = state { refuse(error, head, context) }
    }

    private func pause(_ isPaused: Bool, _ context: ChannelHandlerContext) {
      self.isPaused = isPaused
      context.channel.setOption(.autoRead, value: !isPaused).whenFailure { _ in }
    }

    private static func request(_ head: HTTPRequestHead, body: [UInt8] = []) -> ServerRequest {
      ServerRequest(
        method: head.method.rawValue, target: head.uri, headers: head.headers.map { ($0.name, $0.value) },
        body: body)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      switch state {
      case .idle, .receiving:
        guard let error = error as? HTTPParserError else { return context.close(promise: nil) }
        refuse(
          Self.refusal(error, hasLine: hasLine),
          HTTPRequestHead(version: .http1_1, method: .RAW(value: "?"), uri: "?"), context)
      case .answering: keepsAlive = false
      case .closing: context.close(promise: nil)
      }
    }

    private static func refusal(_ error: HTTPParserError, hasLine: Bool) -> ServingError {
      switch error {
      case .headerOverflow: hasLine ? RequestHead.headersTooLarge : RequestHead.targetTooLong
      case .invalidContentLength, .unexpectedContentLength:
        ServingError(
          400, "invalid_request_error", code: "malformed_http",
          "Content-Length: found none that can be right, expected one whole number below 2^64.")
      default:
        ServingError(
          400, "invalid_request_error", code: "malformed_http",
          "found no well-formed HTTP request (\(error)).")
      }
    }

    // MARK: Answering

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
      let request = Self.request(head, body: body)
      body = []
      if connections.isClosing { keepsAlive = false }
      if let answer = service.answerAtOnce(request) {
        begin(context)
        arm(context, settings.sendSeconds)
        return sink(head, context).send(answer)
      }
      if isExtra {
        return refuse(.tooManyConnections(settings.maxConnections), head, context, isUnread: false)
      }
      if let arrived = upload {
        upload = nil
        return start(head, context) { [service] in await service.finishUpload(arrived, request, $0) }
      }
      start(head, context) { [service] in await service.respond(to: request, $0) }
    }

    private func refuse(
      _ error: ServingError, _ head: HTTPRequestHead, _ context: ChannelHandlerContext, isUnread: Bool = true
    ) {
      keepsAlive = false
      self.isUnread = isUnread
      body = []
      upload = nil
      let request = ServerRequest(
        method: head.method.rawValue, target: "?", headers: head.headers.map { ($0.name, $0.value) })
      start(head, context) { [service] in await service.refuse(error, request, $0) }
    }

    private func begin(_ context: ChannelHandlerContext) {
      deadline?.cancel()
      state = .answering
      (hasArrived, hasLine) = (false, false)
    }

    private func sink(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) -> ChannelSink {
      ChannelSink(
        channel: context.channel, version: head.version, keepsAlive: keepsAlive, isHead: head.method == .HEAD,
        seconds: settings.sendSeconds)
    }

    private func start(
      _ head: HTTPRequestHead, _ context: ChannelHandlerContext,
      _ body: @escaping @Sendable (ChannelSink) async -> Void
    ) {
      begin(context)
      connections.beginAnswer()
      let sink = sink(head, context)
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
      body = []
      upload = nil
    }

    private func finish(_ context: ChannelHandlerContext) {
      task = nil
      letGo()
      if keepsAlive {
        state = .idle
        return arm(context, hasArrived ? settings.receiveSeconds : settings.idleSeconds)
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
