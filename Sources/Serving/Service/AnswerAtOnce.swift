import ModelFiles
import Support
import TinaRuntime

/// An answer that needs no work: it is made where the request arrives, and never waits for other requests.
package struct AnswerAtOnce: Sendable {
  package let status: Int
  package let headers: [(String, String)]
  package let body: [UInt8]
}

extension Service {
  /// Answers requests for health and metrics; nil for all others.
  package func answerAtOnce(_ request: ServerRequest) -> AnswerAtOnce? {
    guard request.method.isSame(as: "GET") || request.method.isSame(as: "HEAD"),
      let route = Route(path: request.path), route == .health || route == .metrics
    else { return nil }
    let record = RequestRecord(method: request.method)
    var reply: WholeReply
    var code: String?
    do throws(ServingError) {
      // A monitor of the server need not know its key or name.
      if route == .metrics { try settings.gate.check(request, needsKey: true) }
      reply = route == .health ? health() : metricsReply()
    } catch {
      reply = WholeReply(error)
      code = error.code
    }
    record.update {
      $0.route = route.label
      $0.status = reply.status
      $0.code = code
    }
    finish(record)
    return AnswerAtOnce(
      status: reply.status,
      headers: reply.allHeaders(record, settings.gate.crossOriginHeaders(request)), body: reply.body)
  }

  private func health() -> WholeReply {
    if admission.isDraining { return WholeReply(ServingError.draining) }
    do throws(RuntimeError) { try engine.model.checkFiles() } catch { return WholeReply(ServingError(error)) }
    return WholeReply(
      .record([
        "status": .string("ok"), "activations": .string(engine.model.activations.rawValue),
        "kernels": .string(engine.model.kernels),
      ]))
  }

  private func metricsReply() -> WholeReply {
    WholeReply(
      metrics.text(
        engine: engine.statistics, load: admission.load, adapters: adapters.list.map(\.name)),
      type: "text/plain; version=0.0.4; charset=utf-8")
  }
}
