import ArgumentParser
import Foundation
import ModelFiles
import Trainer

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Makes a page with the curves of a training run.",
    discussion: """
      EXAMPLES:
        tina report runs/pico
        tina report runs/pico --output report.html
      """)

  @Argument(help: "The run's folder.", completion: .directory)
  var folder: String

  @Option(
    help: "The page; report.html in the run's folder unless given.", completion: .file(extensions: ["html"]))
  var output: String?

  func run() throws {
    let page = try RunReport.html(run: folder)
    let path = output ?? folder + "/report.html"
    try FileWriter.write(Array(page.utf8), to: path)
    try Terminal.writeData(path)
  }
}
