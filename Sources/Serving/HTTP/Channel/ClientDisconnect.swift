/// The client is gone, or takes its answer too slowly. A ``ResponseSink`` throws it, and the work on the request ends.
package struct ClientLeft: Error {
  package init() {}
}

#if Server
  import NIOCore

  extension ServerConnection {
    /// Cancels the work on a request when its client disconnects.
    ///
    /// The cancelled task leaves the queue of ``Admission``, and drops its ``Generation``: the engine then frees its
    /// completions.
    func channelInactive(context: ChannelHandlerContext) {
      deadline?.cancel()
      task?.cancel()
      connections.remove(context.channel)
      letGo()
      context.fireChannelInactive()
    }
  }
#endif
