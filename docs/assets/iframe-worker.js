// The search of the site is a worker. A page that is opened as a file may start none: there a frame does its work.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      const inner = frame.contentWindow
      // What the script of the worker finds: messages go out to this object, further scripts are loaded in turn.
      inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      inner.importScripts = (...urls) => urls.reduce((before, next) => before.then(() => load(next)), Promise.resolve())
      const load = source => new Promise((loaded, failed) => {
        const script = inner.document.createElement("script")
        script.src = source
        script.onload = loaded
        script.onerror = failed
        inner.document.body.appendChild(script)
      })
      this.ready = load(new URL(url, location.href).href)
      this.inner = inner
      this.frame = frame
    }
    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
