// Search from a folder: browsers start no workers for file: pages. There a hidden frame of the same
// page runs the worker's script instead. On a server nothing is changed.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const scope = frame.contentWindow
      const load = (source) =>
        new Promise((loaded, failed) => {
          const script = scope.document.createElement("script")
          script.src = source
          script.onload = loaded
          script.onerror = failed
          scope.document.body.append(script)
        })
      scope.importScripts = (...sources) => Promise.all(sources.map(load))
      scope.postMessage = (data) => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      load(url).then(() => {
        this.scope = scope
        for (const data of this.waiting) this.postMessage(data)
      })
      this.frame = frame
    }
    postMessage(data) {
      if (!this.scope) this.waiting.push(data)
      else this.scope.dispatchEvent(new this.scope.MessageEvent("message", { data }))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
