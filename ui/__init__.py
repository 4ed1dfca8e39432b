"""The Gradio app: a file a tab, put together by `ui.app`."""
