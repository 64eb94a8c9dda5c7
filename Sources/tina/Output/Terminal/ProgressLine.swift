import Hub
import ModelFiles
import Support

/// Progress of fetching, in one line of a terminal.
final class ProgressLine: Sendable {
  func show(_ progress: HubProgress) {
    var text = "\(byteText(progress.done)) of \(byteText(progress.total))"
    let new = progress.done - progress.resumed
    if progress.seconds > 0.5, new > 0 {
      let rate = Double(new) / progress.seconds
      text += " · \(byteText(Int(rate)))/s"
      let left = Double(progress.total - progress.done) / rate
      if left >= 1 { text += " · \(Figures.duration(left)) left" }
    }
    Terminal.progress(text)
  }

  func end() { Terminal.progress("") }
}
