// Take a photo with the computer's camera: not mirrored, so that left, right and text are as they are.
import { button, make } from "../static/dom.js";

// The picture of a video as it is, as a JPEG file.
export function grab(video) {
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob((blob) => resolve(new File([blob], "camera.jpg", { type: "image/jpeg" })), "image/jpeg", 0.92));
}

// Resolves to a file, or null if the user takes none.
export async function takePhoto() {
  let stream = null, file = null;
  const video = make("video", { autoplay: true, playsinline: true, muted: true });
  const sentence = make("p", { role: "status" }, "Waiting for the camera …");
  const take = button("Take the photo", async () => {
    file = await grab(video);
    dialog.close();
  }, { class: "primary", disabled: true });
  const dialog = make("dialog", { class: "camera", "aria-label": "Camera" }, video, sentence, make("div", { class: "tools" }, take, button("Cancel", () => dialog.close())));
  document.querySelector(".scene").append(dialog);
  dialog.showModal();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
    video.srcObject = stream;
    await video.play();
    sentence.textContent = "Not mirrored: left is left.";
    take.disabled = false;
    take.focus();
  } catch {
    sentence.textContent = "The camera cannot be used; allow it in the browser's settings, or choose a file.";
  }
  if (dialog.open) await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  stream?.getTracks().forEach((track) => track.stop());
  dialog.remove();
  return file;
}
