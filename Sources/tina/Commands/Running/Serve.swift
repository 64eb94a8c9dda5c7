import ArgumentParser
import Foundation
import Hub
import Serving
import TinaRuntime

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answers over HTTP, in OpenAI's protocol, with the base and any number of adapters.",
    usage: "tina serve [<model>] [--adapter <name>=<adapter>] ... [<options>]",
    discussion: """
      A request's "model" names the base, an adapter, or BASE:ADAPTER@SCALE; GET /v1/models lists them. Requests \
      with different adapters share one batch. A page for people is at http://127.0.0.1:8000/.

      SIGTERM and Ctrl-C stop the server: it refuses new requests and finishes those that it has. The exit code is \
      0, or 1 if --grace was too short for some of them.

      EXAMPLES:
        tina serve
        tina serve Models/pico --adapter math=Models/pico/adapter --adapter half=Models/pico/adapter@0.5
        tina serve ~/models/DeepSeek-R1-Distill-Qwen-1.5B --adapter-dir ~/adapters --api-key-file ~/.tina-key
        curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' \\
          -d '{"model": "pico", "messages": [{"role": "user", "content": "What is 12 + 3 * 4?"}]}'
      """)

  @Argument(
    help: "A Hugging Face model directory, a GGUF file or a name on the hub; Pico unless given.",
    completion: .model)
  var model: String?

  @Option(
    help: ArgumentHelp(
      "An adapter to serve under a name; repeatable. ADAPTER[:layers=N][@FACTOR] as in tina run.",
      valueName: "name=adapter"))
  var adapter: [NamedAdapter] = []

  @Option(help: "What requests call the base; the last part of its path unless given.")
  var name: String?

  @OptionGroup var attaching: AttachOptions
  @OptionGroup var merging: MergedOptions

  @OptionGroup(title: "Network") var network: ServeNetworkOptions
  @OptionGroup(title: "Limits") var limits: ServeLimitOptions
  @OptionGroup(title: "Computing") var compute: ComputeOptions
  @OptionGroup(title: "Computing") var speculation: SpeculationOptions

  func validate() throws {
    try speculation.validate(beside: merging)
    var names: Set<String> = []
    for adapter in adapter where !names.insert(adapter.name).inserted {
      throw ValidationError("--adapter: found the name \(adapter.name) twice, expected each once.")
    }
    for adapter in adapter where !AdapterRegistry.isName(adapter.name) {
      throw ValidationError(
        "--adapter: found the name \"\(adapter.name)\", expected 1 to 128 letters, digits and ._/-. Give it one:"
          + " --adapter NAME=ADAPTER.")
    }
    if name?.isEmpty == true { throw ValidationError("--name: found nothing, expected a name.") }
    guard merging.merged != nil else { return }
    if network.acceptAdapters {
      throw ValidationError("--merged: found --accept-adapters as well, expected no further adapters.")
    }
    let reason =
      "merged weights are one model. Leave --merged out: attached adapters share the base's weights."
    if adapter.count != 1 {
      throw ValidationError(
        "--merged: found \(adapter.count == 0 ? "no adapter" : "\(adapter.count) adapters"), expected one --adapter:"
          + " \(reason)")
    }
    if network.adapterDir != nil {
      throw ValidationError("--merged: found --adapter-dir as well, expected no further adapters: \(reason)")
    }
  }

  func run() async throws {
    #if Server
      try await serve()
    #else
      throw CommandError(
        "this tina was built without its server. Build it with: swift build -c release --traits Server")
    #endif
  }

  #if Server
    private func serve() async throws {
      let settings = try UserSettings.current()
      var attached = adapter
      if model == nil, attached.isEmpty, let source = try settings.adapterUnlessNamed() {
        attached = [NamedAdapter(source)]
      }
      let path = try ModelLocator.path(model, for: attached.map(\.source), settings: settings)
      let key = try network.key()
      try network.checkReach(hasKey: key != nil)
      var model = try compute.model(path, activations: settings.activations?.value ?? .fastest)
      var baseName = name ?? Self.baseName(path)
      if merging.merged != nil, let adapter = attached.popLast() {
        model = try merging.place(attaching.attach(adapter.source, to: model), on: model).model
        baseName = name ?? adapter.name
      }
      let engine = try compute.engine(
        model, batchLimit: limits.maxRunning, speculation: speculation.apart,
        drafter: speculation.drafter(for: model))
      let registry = AdapterRegistry(
        engine: engine, baseName: baseName, allowBaseMismatch: attaching.allowBaseMismatch,
        isTrusted: attaching.trust)
      for adapter in attached {
        if adapter.name == registry.baseName {
          throw CommandError(
            "--adapter: found the name \(adapter.name), which is the base's. Give it another,"
              + " --adapter NAME=ADAPTER, or another one to the base, --name NAME.")
        }
        let loaded = try await registry.load(
          name: adapter.name, attaching.applied(to: adapter.source.resolved())
        ).adapter
        for note in loaded.notes { Terminal.note(note) }
      }
      var behaviour = try limits.settings(network, key: key)
      behaviour.isMerged = merging.merged != nil
      let service = try Service(engine: engine, adapters: registry, settings: behaviour)
      let server = HTTPServer(service, settings: limits.serverSettings(network))
      let stop = StopSignals()
      let port = try await server.start()
      let host = network.host.contains(":") ? "[\(network.host)]" : network.host
      Terminal.note(
        "serving \(([registry.baseName] + registry.list.map(\.name)).joined(separator: ", "))"
          + " at http://\(host):\(port)/")
      await stop.wait()
      Terminal.note("stopping: finishing requests that have begun, for at most \(limits.grace) seconds")
      let cut = await server.stop(grace: Double(limits.grace))
      if cut > 0 {
        Terminal.note(
          "error: \(cut == 1 ? "1 request was" : "\(cut) requests were") not finished in time and cut off")
        throw ExitCode.failure
      }
    }

    private static func baseName(_ path: String) -> String {
      // In the hub's cache the last part is the hash of a commit.
      if !path.hasSuffix(".gguf"), let repository = HubCache.repository(of: path) {
        return repository.split(separator: "/").last.map(String.init) ?? repository
      }
      let url = URL(fileURLWithPath: path).standardizedFileURL
      return url.pathExtension == "gguf"
        ? url.deletingPathExtension().lastPathComponent : url.lastPathComponent
    }
  #endif
}
