#if Server
  import Foundation
  import NIOCore
  import NIOHTTP1
  import NIOPosix
  import Support
  import TinaRuntime

  /// Serves a ``Service`` over HTTP/1.1.
  ///
  /// Event loops move bytes, and answer what must never wait: health and metrics. All else is computed on other
  /// threads. Each connection has one request at a time,
  /// whose task is cancelled when the client disconnects.
  public final class HTTPServer: Sendable {
    /// How connections are treated.
    public struct Settings: Sendable {
      /// The address to listen on.
      public var host = "127.0.0.1"
      /// The port; one that is free when 0.
      public var port = 8000
      /// The most bytes of a request's body.
      public var maxBodyBytes = 4 << 20
      /// The most bytes of all bodies together that wait for their answers.
      public var maxTotalBodyBytes = 256 << 20
      /// The most connections at once, where the system lets the process open so many; further ones get status 503.
      public var maxConnections = 1024
      /// Seconds from a request's first byte in which it must have arrived whole.
      public var receiveSeconds = 60.0
      /// Seconds that a client may leave a piece of its answer unread once the system's buffers are full.
      public var sendSeconds = 30.0
      /// Seconds that a connection stays open between requests.
      public var idleSeconds = 75.0
      /// Gets what an operator should know, a line each.
      public var note: (@Sendable (String) -> Void)?

      /// The defaults.
      public init() {}
    }

    private let service: Service
    private let settings: Settings
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener = Locked<(any Channel)?>(nil)
    let connections = Connections()

    /// A server that does not listen yet.
    public init(_ service: Service, settings: Settings = Settings()) {
      self.service = service
      self.settings = settings
    }

    /// Begins to listen; returns the port.
    ///
    /// - Throws: `ServingError` when the address can't be had.
    public func start() async throws -> Int {
      var settings = settings
      let budget = DescriptorBudget(wanted: settings.maxConnections)
      settings.maxConnections = budget.connections
      if let note = budget.note { settings.note?(note) }
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderFieldSize = RequestHead.totalBytes
      limits.maxHeaderListSize = RequestHead.totalBytes
      limits.maxHeaderFieldCount = RequestHead.fieldCount
      let bootstrap = ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 512)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .serverChannelInitializer { [connections, note = settings.note] channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(
              AcceptBackoff { code in
                guard connections.mayNote() else { return }
                note?("no connection can be accepted until another one closes: \(systemErrorText(code))")
              })
          }
        }
        // Tokens are small packets that must not wait for each other.
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { [service, settings, limits, connections] channel in
          channel.eventLoop.makeCompletedFuture {
            // A connection above the limit is closed once it is set up.
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
              withPipeliningAssistance: false, withErrorHandling: false,
              withEncoderConfiguration: .init(), withDecoderLimitConfiguration: limits)
            let connection = ServerConnection(service, settings, connections)
            try pipeline.addHandler(ArrivalWatch(connection), position: .first)
            try pipeline.addHandler(connection)
          }
        }
      do {
        let channel = try await bootstrap.bind(host: settings.host, port: settings.port).get()
        listener.withLock { $0 = channel }
        return channel.localAddress?.port ?? settings.port
      } catch {
        let (reason, advice) = Self.explain(error)
        throw ServingError(
          500, "server_error", "\(settings.host):\(settings.port): can't listen there: \(reason). \(advice)")
      }
    }

    /// Why the system gave no address, and what to do.
    private static func explain(_ error: any Error) -> (reason: String, advice: String) {
      guard let error = error as? IOError else {
        return error is SocketAddressError || error is SocketAddressError.UnknownHost
          ? ("no such address", "Give --host an address of this machine.")
          : ("\(error)", "Choose another --port.")
      }
      switch error.errnoCode {
      case EADDRINUSE: return ("the port is taken", "Choose another --port, or stop what uses it.")
      case EADDRNOTAVAIL: return ("the address is none of this machine's", "Choose another --host.")
      case EACCES: return ("the port is not for every user", "Choose a --port from 1024 up.")
      default: return (unsafe String(cString: strerror(error.errnoCode)), "Choose another --host or --port.")
      }
    }

    /// Refuses new requests, finishes those that have come, and after `grace` seconds cuts off the rest. Returns how
    /// many requests were cut off.
    public func stop(grace: Double) async -> Int {
      service.drain()
      connections.beginClosing()
      let deadline = ContinuousClock.now + .seconds(grace)
      while connections.busy > 0, ContinuousClock.now < deadline {
        try? await Task.sleep(for: .milliseconds(20))
      }
      let left = connections.busy
      try? await listener.withLock { $0 }?.close()
      await connections.closeAll()
      try? await group.shutdownGracefully()
      return left
    }
  }
#endif
